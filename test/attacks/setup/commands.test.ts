import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { HistoryList, SetupPlan } from "../../../src/contract/device/setup.ts";
import { cleanEnv, run } from "../../cli/run.ts";
import { makeHost } from "../../setup/support.ts";
import { endAll, type RunningSinew, startSinew } from "../../support/process.ts";

/** The commands against an agent that reads a tree: it takes writes, and does nothing about them. */
const home = mkdtempSync(join(tmpdir(), "sinew-setup-cli-"));
const kernel = makeHost();
const state = join(home, "state");
const config = join(home, "sinew.toml");
const GPU = "0000:3b:00.0";
const NIC = "0000:5e:00.0";
let agent: RunningSinew;

const cli = (...args: string[]) => run([...args, "--state", state], cleanEnv(home));

beforeAll(async () => {
  writeFileSync(
    config,
    '[[setup]]\nkernel_driver = "vfio-pci"\nmatch.slot = "4"\n[[setup]]\nkernel_driver = "vfio-pci"\nmatch.address = "3b:00.1"\n' +
      '[[setup]]\nsriov_vfs = 2\nvf_driver = "vfio-pci"\nmatch.device_type = "NIC"\n[[setup]]\nkernel_driver = "none"\nmatch.slot = "99"\n',
  );
  // What the kernel takes a probe with; here it is a file.
  writeFileSync(join(kernel.tree.sysfs, "bus/pci/drivers_probe"), "");
  for (const driver of ["nvidia", "snd_hda_intel"]) {
    writeFileSync(join(kernel.tree.sysfs, "bus/pci/drivers", driver, "unbind"), "");
  }
  agent = await startSinew(["--state", state, "--sysfs", kernel.tree.sysfs, "--config", config]);
}, 60_000);
afterAll(async () => {
  await endAll();
  kernel.close();
  rmSync(home, { recursive: true, force: true });
});

describe("sinew plan", () => {
  test("shows every write, the group, and the way back, of one device by slot, address or uuid", async () => {
    const bySlot = await cli("plan", "4");
    expect(bySlot).toMatchObject({ code: 0, err: "" });
    expect(bySlot.out).toContain(`at ${GPU}, slot 4`);
    expect(bySlot.out).toContain("wanted   kernel driver vfio-pci");
    expect(bySlot.out).toContain(`1. ${kernel.tree.sysfs}/bus/pci/devices/${GPU}/driver_override: vfio-pci`);
    expect(bySlot.out).toContain("IOMMU group 7, at present not viable for VFIO:");
    expect(bySlot.out).toContain("10de:1aef, on snd_hda_intel");
    expect(bySlot.out).toContain("reboot   not needed");
    expect(bySlot.out).toContain("refused  no");
    expect((await cli("plan", "3b:00.0")).out).toBe(bySlot.out);
    const json = JSON.parse((await cli("plan", GPU, "--json")).out) as { plans: { uuid: string; plan: unknown }[] };
    expect(SetupPlan.parse(json.plans[0]?.plan).writes).toHaveLength(6);
    expect((await cli("plan", json.plans[0]?.uuid ?? "")).out).toBe(bySlot.out);
  });

  test("shows every device that a rule is about when none is named, and says which rules are about none", async () => {
    const { out, code } = await cli("plan");
    expect(code).toBe(0);
    expect(out).toContain(GPU);
    expect(out).toContain(`${NIC}/sriov_numvfs: 0 -> 2`);
    expect(agent.log()).toContain("slot 99");
    // The sound of the GPU is no device of its own, and set up with it.
    expect(agent.log()).not.toContain("3b:00.1");
  });

  test("names what is not there, and does not know a tier that does not run", async () => {
    expect(await cli("plan", "0000:99:00.0")).toMatchObject({
      code: 1,
      err: expect.stringContaining("no device here has"),
    });
    const none = await run(["plan", "--state", join(home, "none")], cleanEnv(home));
    expect(none).toMatchObject({ code: 1, err: expect.stringContaining("no conductor or agent is running") });
  });
});

describe("sinew apply", () => {
  test("tells of each step, finds that the kernel did nothing, rolls back, and exits 1", async () => {
    const { code, out, err } = await cli("apply", "4");
    expect(out).toContain(`ok      reserve ${GPU} for vfio-pci`);
    expect(out).toContain("read back, this did not happen");
    expect(code).toBe(1);
    expect(err).toContain("1 of 1 could not be done");
    const scan = await cli("plan", "4", "--json");
    const [{ uuid, plan }] = JSON.parse(scan.out).plans;
    expect(plan.writes.length).toBeGreaterThan(0);
    const { history } = HistoryList.parse(await (await fetch(`${agent.url}/hardware/${uuid}/history`)).json());
    expect(new Set(history.map(({ address }) => address))).toEqual(new Set([GPU, "0000:3b:00.1"]));
  });

  test("is refused with what speaks against it, and how that one thing is overridden", async () => {
    mkdirSync(join(kernel.tree.directory(GPU), "drm/card0"), { recursive: true });
    kernel.tree.setAttribute(GPU, "boot_vga", "1\n");
    const refused = await cli("apply", "4");
    expect(refused).toMatchObject({ code: 1 });
    expect(refused.out).toContain("refused, and nothing was written");
    expect(refused.out).toContain(
      "console: it is the display that the firmware started; force console to do it nevertheless",
    );
    expect((await cli("plan", "4")).out).toContain("(--force console does it nevertheless)");
    for (const all of [["apply"], ["revert", "--all"]]) {
      const given = await cli(...all, "--force", "console");
      expect(given).toMatchObject({ code: 2, err: expect.stringContaining("expected the DEVICE") });
    }
    const forced = await cli("apply", "4", "--force", "console", "--json");
    expect(JSON.parse(forced.out).setups[0].operation.children.length).toBeGreaterThan(0);
    kernel.tree.setAttribute(GPU, "boot_vga", "0\n");
  });
});

describe("sinew revert", () => {
  test("wants a device or --all", async () => {
    expect(await cli("revert")).toMatchObject({ code: 2, err: expect.stringContaining("found neither") });
    expect(await cli("revert", "4", "--all")).toMatchObject({ code: 2, err: expect.stringContaining("found both") });
  });

  test("of everything that has a history writes back what differs", async () => {
    const { out } = await cli("revert", "--all");
    expect(out).toContain(GPU);
    expect(out).not.toContain(NIC);
  });
});

test.each([
  ["x.json", '{"setup":[{"match":{"slot":true}}]}', "setup[0].match.slot: expected a slot"],
  ["x.toml", "setup = 1", "setup: expected a list of rules, found 1"],
])("a configuration that is wrong (%s) starts nothing", async (name, text, words) => {
  const file = join(home, name);
  writeFileSync(file, text);
  const { code, err } = await run(["start", "--config", file, "--state", join(home, "unused")], cleanEnv(home));
  expect(code).toBe(2);
  expect(err).toContain(`--config ${file}: ${words}`);
});
