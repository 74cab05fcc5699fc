import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Expected } from "../../src/contract/device/expected.ts";
import { endAll, startSinew, until } from "../support/process.ts";
import { makeTree } from "../support/tree.ts";
import { cleanEnv, lines, run } from "./run.ts";

const home = mkdtempSync(join(tmpdir(), "sinew-expect-"));
const tree = makeTree();
afterAll(async () => {
  await endAll();
  tree.close();
  rmSync(home, { recursive: true, force: true });
});
const sinew = (state: string, ...args: string[]) =>
  run(["expect", ...args, "--state", join(home, state)], cleanEnv(home));

test.each(["all", "agent"])(
  "sinew expect asks the agent of the node, which runs as --role %s",
  async (role) => {
    tree.add({ address: "0000:17:00.0", vendor: "10de", device: "2331", class: "030200", slot: "4", driver: "nvidia" });
    const agent = await startSinew([
      "--role",
      role,
      "--state",
      join(home, role),
      "--sysfs",
      tree.sysfs,
      "--auth",
      "required",
    ]);
    expect(await sinew(role, "show")).toMatchObject({ code: 0, out: expect.stringContaining("nothing is expected") });
    const learned = await sinew(role, "learn");
    expect(learned).toMatchObject({ code: 0, err: "" });
    expect(lines(learned.out)[1]).toBe("1 of 1  GPU 10de:2331");
    const shown = async () => Expected.parse(JSON.parse((await sinew(role, "show", "--json")).out));
    expect((await shown()).condition?.status).toBe("true");
    tree.remove("0000:17:00.0");
    // Nobody has asked it to look: it is watched.
    await until(async () => (await shown()).condition?.status === "false", 30_000);
    expect(agent.log()).toMatch(/warn {2}hardware is missing what="0 of 1 GPU 10de:2331 present; missing /);
    const missing = await sinew(role, "show");
    expect(missing.code).toBe(1);
    expect(missing.out).toMatch(/0 of 1 GPU 10de:2331 present; missing [\da-f-]{36}, last seen \S+Z, slot 4\n/);
    const set = await sinew(role, "set", "gpu=2", "NIC/8086:1592=1", "--json");
    expect(Expected.parse(JSON.parse(set.out))).toMatchObject({
      origin: "set",
      counts: [
        { device_type: "GPU", vendor_id: null, count: 2 },
        { device_type: "NIC", vendor_id: "8086", device_id: "1592", count: 1 },
      ],
    });
    expect(set.err).toBe("");
    const misspelt = await sinew(role, "set", "GPUS=2");
    expect(misspelt).toMatchObject({ code: 0, err: expect.stringContaining("GPUS is none of Sinew's kinds (GPU, ") });
    expect(await sinew(role, "clear")).toMatchObject({ code: 0 });
    expect((await shown()).origin).toBeNull();
  },
  60_000,
);

test("sinew expect set says what a count is, and exits 2 for anything else", async () => {
  for (const bad of [
    "GPU",
    "GPU=",
    "=8",
    "GPU=0",
    "GPU=x",
    "10de=8",
    "10de:20b2:8",
    "GPU/=8",
    "10de:20b=1",
    "GPU=99999",
  ]) {
    const { code, err } = await sinew("none", "set", bad);
    expect([bad, code]).toEqual([bad, 2]);
    expect(err).toContain("expected KIND=N, VENDOR:DEVICE=N or KIND/VENDOR:DEVICE=N");
  }
  expect((await sinew("none", "set")).code).toBe(2);
});

test("sinew expect where no agent runs says so", async () => {
  expect(await sinew("none", "show")).toMatchObject({
    code: 1,
    err: expect.stringContaining("no conductor or agent is running"),
  });
});
