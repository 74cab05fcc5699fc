import { afterEach, describe, expect, test } from "bun:test";
import { chmodSync, cpSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { SinewError } from "../../src/contract/problem.ts";
import { acquireLock } from "../../src/ffi/lock.ts";
import { BlockedError, KernelError } from "../../src/setup/hands/hands.ts";
import { canForce } from "../../src/setup/plan/refusals.ts";
import { noSetup } from "../../src/tiers/care/care.ts";
import { until } from "../support/process.ts";
import type { Kernel } from "./kernel.ts";
import { AUDIO, BOTH, GPU, makeHost, makeSetup, NIC, rule, type TestSetup } from "./support.ts";

const open: (() => void)[] = [];
afterEach(() => {
  for (const close of open.splice(0)) close();
});

function host(rules: Parameters<typeof makeSetup>[1], options: Parameters<typeof makeHost>[0] = {}, more = {}) {
  const kernel = makeHost(options);
  const setup = makeSetup(kernel, rules, more);
  open.push(kernel.close, setup.close);
  return { kernel, ...setup };
}
const names = (refusals: { name: string }[]) => refusals.map(({ name }) => name);
const failed = async (work: Promise<unknown>) => {
  const error = await work.then(
    () => null,
    (thrown) => thrown,
  );
  if (!(error instanceof Error)) throw new Error("expected it to fail");
  return error;
};
const journals = (state: string) => {
  const folder = join(state, "setup/journal");
  return existsSync(folder) ? readdirSync(folder) : [];
};
const VFS = rule({ address: NIC }, { sriov_vfs: 2, vf_driver: "vfio-pci" });

describe("a plan", () => {
  test("has every write in order, the group, and the way back; and writes nothing", async () => {
    const { kernel, plan } = host(BOTH);
    const at = `${kernel.tree.sysfs}/bus/pci`;
    const made = await plan(GPU);
    expect(made.desired).toEqual({ kernel_driver: "vfio-pci" });
    expect(made.writes).toEqual([
      { path: `${at}/devices/${GPU}/driver_override`, from: null, to: "vfio-pci" },
      { path: `${at}/drivers/nvidia/unbind`, from: null, to: GPU },
      { path: `${at}/drivers_probe`, from: null, to: GPU },
      { path: `${at}/devices/${AUDIO}/driver_override`, from: null, to: "vfio-pci" },
      { path: `${at}/drivers/snd_hda_intel/unbind`, from: null, to: AUDIO },
      { path: `${at}/drivers_probe`, from: null, to: AUDIO },
    ]);
    expect(made.undo).toEqual([
      { path: `${at}/devices/${AUDIO}/driver_override`, from: "vfio-pci", to: "" },
      { path: `${at}/drivers/vfio-pci/unbind`, from: null, to: AUDIO },
      { path: `${at}/drivers_probe`, from: null, to: AUDIO },
      { path: `${at}/devices/${GPU}/driver_override`, from: "vfio-pci", to: "" },
      { path: `${at}/drivers/vfio-pci/unbind`, from: null, to: GPU },
      { path: `${at}/drivers_probe`, from: null, to: GPU },
    ]);
    expect(made.group).toMatchObject({ number: 7, viable: false, members: [{ address: GPU }, { address: AUDIO }] });
    expect(made).toMatchObject({ reboot: null, refusals: [], holders: [] });
    expect(kernel.writes).toEqual([]);
  });

  test("for a device that no rule is about has no writes, and is refused", async () => {
    const { plan, apply, kernel, configured } = host([]);
    expect(await plan(GPU)).toMatchObject({ desired: null, writes: [], undo: [], refusals: [{ name: "no-rule" }] });
    expect(await failed(apply(GPU))).toMatchObject({ code: "setup_refused" });
    expect(await configured(GPU)).toBeUndefined();
    expect(kernel.writes).toEqual([]);
  });

  test("names the members that keep VFIO from opening the group, and nothing forces it", async () => {
    const { plan, apply, kernel } = host([BOTH[0]!]);
    const { refusals } = await plan(GPU);
    expect(names(refusals)).toEqual(["group-not-viable"]);
    expect(refusals[0]?.reason).toContain(`${AUDIO} is in IOMMU group 7, too, on snd_hda_intel`);
    expect(await failed(apply(GPU, { force: ["group-not-viable"] }))).toMatchObject({ code: "setup_refused" });
    expect(kernel.writes).toEqual([]);
  });

  test("says what a reboot has to change where there is no IOMMU: in the firmware, or on the command line", async () => {
    const { kernel, plan, apply, configured } = host([BOTH[0]!], { iommu: false });
    expect((await plan(GPU)).reboot).toMatchObject({ reason: expect.stringContaining("cannot be seen from here") });
    expect((await plan(GPU)).reboot?.setting).toContain("in the firmware");
    expect(await configured(GPU)).toMatchObject({ reason: "RebootNeeded", reboot_required: true, ready: false });
    mkdirSync(join(kernel.tree.sysfs, "firmware/acpi/tables"), { recursive: true });
    writeFileSync(join(kernel.tree.sysfs, "firmware/acpi/tables/FACP"), "");
    expect((await plan(GPU)).reboot).toMatchObject({ reason: expect.stringContaining("describes none") });
    writeFileSync(join(kernel.tree.sysfs, "firmware/acpi/tables/DMAR"), "");
    expect((await plan(GPU)).reboot?.setting).toBe("intel_iommu=on on the kernel command line");
    writeFileSync(join(kernel.proc, "cmdline"), "quiet intel_iommu=off\n");
    const made = await plan(GPU);
    expect(made.reboot?.setting).toBe("intel_iommu=on in the place of intel_iommu=off on the kernel command line");
    expect(names(made.refusals)).toEqual(["reboot-needed"]);
    expect(await failed(apply(GPU, { force: ["reboot-needed"] }))).toMatchObject({ code: "setup_refused" });
    expect((await configured(GPU))?.action).toContain("intel_iommu=off");
    expect(kernel.writes).toEqual([]);
  });

  test("is refused for a driver that the kernel has not, for VFs that the device has not, and for a driver of nothing", async () => {
    const wanted = (more: object) => rule({ address: NIC }, more);
    for (const [one, name] of [
      [wanted({ kernel_driver: "igb_uio" }), "driver-missing"],
      [wanted({ sriov_vfs: 5 }), "too-many-vfs"],
      [rule({ address: GPU }, { sriov_vfs: 1 }), "no-sriov"],
    ] as const) {
      const { plan } = host([one]);
      expect(names((await plan(one.match.address ?? "")).refusals)).toEqual([name]);
    }
    const { kernel, plan } = host([wanted({ sriov_vfs: 1 })]);
    kernel.tree.unbind(NIC);
    expect(names((await plan(NIC)).refusals)).toEqual(["no-driver"]);
  });
});

describe("an apply", () => {
  test("binds, reads back and is ready; a second one writes nothing; a revert brings everything back", async () => {
    const { kernel, plan, apply, configured, history, state, changes } = host(BOTH);
    expect(await configured(GPU)).toMatchObject({ reason: "NotApplied", setup_required: true, ready: false });
    const steps = await apply(GPU);
    expect(steps.map(({ status }) => status)).toEqual(Array(6).fill("SUCCEEDED"));
    expect(steps[0]?.name).toBe(`reserve ${GPU} for vfio-pci`);
    for (const address of [GPU, AUDIO]) expect(kernel.driverOf(address)).toBe("vfio-pci");
    expect(await configured(GPU)).toMatchObject({
      status: "true",
      reason: "AsDesired",
      ready: true,
      setup_required: false,
    });
    expect(await configured(AUDIO)).toMatchObject({ status: "true", reason: "AsDesired" });
    expect(changes()).toBe(1);
    const written = kernel.writes.length;
    expect((await plan(GPU)).writes).toEqual([]);
    expect((await plan(GPU)).undo).toHaveLength(6);
    expect(await apply(GPU)).toEqual([]);
    expect(kernel.writes).toHaveLength(written);
    const told = await history(GPU);
    expect(told.map(({ to, outcome, kind, actor }) => [to, outcome, kind, actor])).toEqual([
      [GPU, "done", "apply", "test"],
      [GPU, "done", "apply", "test"],
      ["vfio-pci", "done", "apply", "test"],
    ]);
    expect(journals(state)).toEqual([]);

    await apply(GPU, { revert: true });
    await apply(AUDIO, { revert: true });
    expect([kernel.driverOf(GPU), kernel.driverOf(AUDIO)]).toEqual(["nvidia", "snd_hda_intel"]);
    expect([kernel.overrideOf(GPU), kernel.overrideOf(AUDIO)]).toEqual([null, null]);
    expect(await configured(GPU)).toMatchObject({ status: "false", reason: "Reverted" });
    expect((await history(GPU))[0]).toMatchObject({ kind: "revert" });
    expect((await plan(GPU, { revert: true })).writes).toEqual([]);
    kernel.before = (path) => {
      throw new KernelError(path, "EBUSY");
    };
    await failed(apply(GPU));
    expect(await configured(GPU)).toMatchObject({ status: "false", reason: "Failed" });
    kernel.before = () => undefined;
    await apply(GPU);
    expect(await configured(GPU)).toMatchObject({ reason: "AsDesired" });
  });

  test("makes VFs, gives each its driver before another takes it, changes their number through 0, and takes them back", async () => {
    const { kernel, plan, apply, configured, state, device } = host([VFS]);
    const made = await plan(NIC);
    expect(made.writes.map(({ path, to }) => [path.split("/").slice(-2).join("/"), to])).toEqual([
      [`${NIC}/sriov_drivers_autoprobe`, "0"],
      [`${NIC}/sriov_numvfs`, "2"],
      ["0000:5e:00.1/driver_override", "vfio-pci"],
      ["pci/drivers_probe", "0000:5e:00.1"],
      ["0000:5e:00.2/driver_override", "vfio-pci"],
      ["pci/drivers_probe", "0000:5e:00.2"],
    ]);
    await apply(NIC);
    expect(kernel.writes).toHaveLength(6);
    expect(kernel.vfsOf(NIC).map(kernel.driverOf)).toEqual(["vfio-pci", "vfio-pci"]);
    expect(await configured(NIC)).toMatchObject({ reason: "AsDesired", ready: true });
    const vf = (await device("0000:5e:00.1")).acc_status;
    expect(vf.conditions.find(({ type }) => type === "DriverBound")?.message).toContain("as configured");

    const four = makeSetup(kernel, [{ ...VFS, sriov_vfs: 4 }], { state });
    expect(await four.configured(NIC)).toMatchObject({
      reason: "Drift",
      message: expect.stringContaining("2 of 4 VFs are there;"),
    });
    await four.apply(NIC);
    expect(kernel.vfsOf(NIC)).toHaveLength(4);
    expect(kernel.writes.filter((write) => write.includes("numvfs"))).toEqual([
      `devices/${NIC}/sriov_numvfs 2`,
      `devices/${NIC}/sriov_numvfs 0`,
      `devices/${NIC}/sriov_numvfs 4`,
    ]);
    await four.apply(NIC, { revert: true });
    expect(kernel.vfsOf(NIC)).toEqual([]);
    expect(await Bun.file(join(kernel.tree.directory(NIC), "sriov_drivers_autoprobe")).text()).toBe("1\n");
    expect(kernel.driverOf(NIC)).toBe("ice");
  });

  test("of no driver leaves none that could take it, and that is ready", async () => {
    const { kernel, apply, configured, device } = host([rule({ slot: "4" }, { kernel_driver: null })]);
    expect(await configured(GPU)).toMatchObject({ reason: "NotApplied", action: `sinew apply ${GPU}` });
    await apply(GPU);
    expect([kernel.driverOf(GPU), kernel.overrideOf(GPU)]).toEqual([null, "none"]);
    const { acc_status } = await device(GPU);
    expect(acc_status).toMatchObject({ ready: true, setup_required: false });
    expect(acc_status.conditions.find(({ type }) => type === "DriverBound")).toMatchObject({ reason: "NoneWanted" });
  });

  test("that the kernel takes and does not do is found by reading back, and rolled back", async () => {
    const { kernel, apply, configured, state } = host(BOTH);
    kernel.before = (path, value) =>
      path.endsWith("drivers_probe") && value === AUDIO ? kernel.overrideOf(AUDIO) === null : undefined;
    const error = await failed(apply(GPU));
    expect(error.message).toContain(`read back, this did not happen: bind ${AUDIO} to vfio-pci`);
    expect(error.message).toContain("Rolled back: it is as it was before");
    expect([kernel.driverOf(GPU), kernel.driverOf(AUDIO)]).toEqual(["nvidia", "snd_hda_intel"]);
    expect([kernel.overrideOf(GPU), kernel.overrideOf(AUDIO)]).toEqual([null, null]);
    expect(await configured(GPU)).toMatchObject({ reason: "Failed", setup_required: true });
    expect(journals(state)).toEqual([]);
  });

  test.each(["ENODEV", "EBUSY", "EINVAL"])(
    "that the kernel refuses with %s at any step is rolled back from there",
    async (code) => {
      for (let at = 0; at < 6; at += 1) {
        const { kernel, apply, history } = host(BOTH);
        let count = 0;
        kernel.before = (path) => {
          count += 1;
          if (count === at + 1) throw new KernelError(path, code);
          return undefined;
        };
        const error = await failed(apply(GPU));
        expect(error.message).toContain(`the kernel answers ${code}`);
        expect([kernel.driverOf(GPU), kernel.driverOf(AUDIO)]).toEqual(["nvidia", "snd_hda_intel"]);
        expect([kernel.overrideOf(GPU), kernel.overrideOf(AUDIO)]).toEqual([null, null]);
        const told = [...(await history(GPU)), ...(await history(AUDIO))];
        expect(told.filter(({ outcome }) => outcome === "failed")).toHaveLength(1);
        expect(
          "steps" in error && Array.isArray(error.steps) && error.steps.some(({ status }) => status === "FAILED"),
        ).toBe(true);
      }
    },
  );

  test("whose rollback fails, too, says what state was left, and can still be reverted", async () => {
    const { kernel, apply, configured } = host(BOTH);
    kernel.before = (path, value) => {
      if (value === AUDIO || (path.endsWith("driver_override") && value === "")) throw new KernelError(path, "EBUSY");
      return undefined;
    };
    const error = await failed(apply(GPU));
    expect(error.message).toContain("The rollback failed as well");
    expect(error.message).toContain(
      `What is left: ${GPU} on vfio-pci, driver_override vfio-pci; ${AUDIO} on snd_hda_intel`,
    );
    expect(await configured(GPU)).toMatchObject({ reason: "Failed" });
    kernel.before = () => undefined;
    await apply(GPU, { revert: true });
    expect([kernel.driverOf(GPU), kernel.overrideOf(GPU)]).toEqual(["nvidia", null]);
  });

  test("is one at a time for each group: the second one is busy", async () => {
    const { kernel, apply, setup, state } = host(BOTH);
    let inside = 0;
    let go = () => {};
    const gate = new Promise<void>((resolve) => {
      go = resolve;
    });
    kernel.before = (() => {
      inside += 1;
      return gate;
    }) as unknown as Kernel["before"];
    const first = apply(GPU);
    await until(() => inside > 0);
    expect(await failed(apply(AUDIO))).toMatchObject({ code: "busy" });
    go();
    await first;
    expect(setup.unmatched()).toEqual([]);
    // Another process of the node, which a lock of its own keeps out.
    const other = acquireLock(join(state, "setup/locks/group-7.lock"));
    expect("heldBy" in other).toBe(false);
    expect(await failed(apply(GPU, { revert: true }))).toMatchObject({ code: "busy" });
    if ("release" in other) other.release();
  });

  test("is refused before the first write where nothing could be kept of it", async () => {
    const { kernel, apply, state } = host(BOTH);
    // A file in the place of the folder stops root, too, whom no mode does.
    writeFileSync(join(state, "setup"), "");
    chmodSync(join(state, "setup"), 0o400);
    expect((await failed(apply(GPU))).message).toMatch(/^(nothing was written, as .*)?(ENOTDIR|EEXIST)/);
    expect(kernel.writes).toEqual([]);
  });
});

describe("a write that blocks", () => {
  test("is told with who has the device; nothing after it is done, and when it returns, what it left is rolled back", async () => {
    const { kernel, apply, plan, configured, state } = host(BOTH);
    mkdirSync(join(kernel.proc, "4711/fd"), { recursive: true });
    writeFileSync(join(kernel.proc, "4711/comm"), "qemu\n");
    let returned = () => {};
    const ended = new Promise<void>((resolve) => {
      returned = resolve;
    });
    let once = true;
    kernel.before = (path, value) => {
      if (!path.endsWith("unbind") || value !== AUDIO || !once) return undefined;
      once = false;
      throw new BlockedError(`the write to ${path} has not returned`, ended);
    };
    const error = await failed(apply(GPU));
    expect(error.message).toContain("has not returned");
    expect(error.message).toContain("Nothing after it was done");
    expect(kernel.writes.at(-1)).toBe(`drivers/snd_hda_intel/unbind ${AUDIO}`);
    expect(await failed(plan(GPU))).toMatchObject({ code: "busy" });
    expect(await failed(apply(GPU))).toMatchObject({ code: "busy" });
    expect(journals(state)).toHaveLength(1);
    returned();
    await until(() => journals(state).length === 0);
    expect([kernel.driverOf(GPU), kernel.driverOf(AUDIO)]).toEqual(["nvidia", "snd_hda_intel"]);
    expect(await configured(GPU)).toMatchObject({ reason: "Failed" });
    await until(async () => (await apply(GPU).then(() => true)) === true);
    expect(kernel.driverOf(AUDIO)).toBe("vfio-pci");
  });
});

describe("what is left of an earlier setup", () => {
  test("is dealt with before the next one begins, and takes that back at no later start", async () => {
    const { kernel, apply, state } = host(BOTH);
    kernel.before = (path, value) => {
      if (path.endsWith("unbind") && value === AUDIO) throw new BlockedError("it blocks", new Promise(() => {}));
      return undefined;
    };
    await failed(apply(GPU));
    kernel.before = () => undefined;
    // Its locks died with it.
    const next = makeSetup(kernel, [BOTH[1]!, rule({ address: GPU }, { kernel_driver: "pci-stub" })]);
    open.push(next.close);
    await next.setup.recover();
    cpSync(join(state, "setup"), join(next.state, "setup"), { recursive: true });
    expect(journals(next.state)).toHaveLength(1);
    await next.apply(GPU);
    expect(journals(next.state)).toEqual([]);
    await makeSetup(kernel, BOTH, { state: next.state }).setup.recover();
    expect(kernel.driverOf(GPU)).toBe("pci-stub");
  });

  test("and is no record or journal of ours is set aside", async () => {
    const { kernel, configured, device, state, setup, logged } = host(BOTH);
    const { uuid } = await device(GPU);
    const record = join(state, "setup/devices", uuid, "device.json");
    mkdirSync(join(state, "setup/devices", uuid), { recursive: true });
    mkdirSync(join(state, "setup/journal"), { recursive: true });
    writeFileSync(record, '{"original":{"driver":7},"reverted":null,"failure":null}');
    const begun = { operation: uuid, kind: "apply", actor: "x", time: new Date().toISOString(), boot: "", rule: null };
    const functions = [{ uuid, address: GPU, before: { driver: null, override: null, sriov: null }, to: {} }];
    const line = JSON.stringify({ begun: { ...begun, uuid, address: "../../../tmp", functions } });
    writeFileSync(join(state, "setup/journal", "hostile.jsonl"), line);
    await setup.recover();
    expect(await configured(GPU)).toMatchObject({ reason: "NotApplied" });
    expect(journals(state)).toEqual(["hostile.jsonl.corrupt"]);
    expect(existsSync(`${record}.corrupt`)).toBe(true);
    expect(logged.filter((text) => text.startsWith("error"))).toHaveLength(2);
    expect(kernel.writes).toEqual([]);
  });
});

test("a setup is of the device that was asked about, and not of another card that is at its address by now", async () => {
  const { kernel, driver, device } = host(BOTH);
  const { uuid } = await device(GPU);
  kernel.tree.setAttribute(GPU, "device", "0x2330\n");
  const context = { operation: crypto.randomUUID(), actor: "test", onProgress() {} };
  expect(await failed(driver.plan(uuid, {}))).toMatchObject({ code: "not_found" });
  expect(await failed(driver.apply(uuid, {}, context))).toMatchObject({ code: "not_found" });
  expect(kernel.writes).toEqual([]);
});

describe("apply: auto", () => {
  const AUTO = BOTH.map((one) => ({ ...one, apply: "auto" as const }));

  test("sets up what is not as desired, again after a restart of the machine, and not after a revert", async () => {
    const { kernel, driver, configured, apply, device, state, history } = host(AUTO);
    await device(GPU);
    expect(await driver.auto()).toBe(true);
    expect(await configured(GPU)).toMatchObject({ reason: "AsDesired" });
    expect(await driver.auto()).toBe(false);
    expect((await history(GPU))[0]?.actor).toBe("auto");
    // sysfs after a restart is as at boot; what the node keeps is not.
    kernel.tree.bind(GPU, "nvidia");
    kernel.tree.setAttribute(GPU, "driver_override", "(null)\n");
    const next = makeSetup(kernel, AUTO, { state });
    expect(await next.configured(GPU)).toMatchObject({ reason: "Drift", ready: false });
    expect(await next.driver.auto()).toBe(true);
    expect(await next.configured(GPU)).toMatchObject({ reason: "AsDesired", ready: true });
    await apply(GPU, { revert: true });
    expect(await configured(GPU)).toMatchObject({ reason: "Reverted" });
    // Nor through the other function of its group, which VFIO could not use now.
    expect(await configured(AUDIO)).toMatchObject({ status: "false" });
    await driver.auto();
    expect(kernel.driverOf(GPU)).toBe("nvidia");
    // Another rule is another wish.
    const changed = makeSetup(kernel, [{ ...AUTO[0]!, match: { slot: "4" } }, AUTO[1]!], { state });
    await changed.device(GPU);
    expect(await changed.driver.auto()).toBe(true);
    expect(kernel.driverOf(GPU)).toBe("vfio-pci");
  });

  test("never forces, and waits longer after each failure", async () => {
    let now = Date.UTC(2026, 0, 1);
    const clock = { world: { now: () => new Date(now), monotonic: () => now } };
    const { kernel, driver, device, configured } = host(AUTO, {}, clock);
    kernel.before = (path) => {
      throw new KernelError(path, "EBUSY");
    };
    const attempts: number[] = [];
    for (let minute = 0; minute < 240; minute += 1, now += 60_000) {
      await device(GPU);
      const before = kernel.writes.length;
      await driver.auto();
      if (kernel.writes.length > before) attempts.push(minute);
    }
    expect(attempts.slice(0, 7)).toEqual([0, 1, 3, 7, 15, 31, 63]);
    expect(attempts.length).toBeLessThan(12);
    expect(await configured(GPU)).toMatchObject({ reason: "Failed" });
  });
});

describe("history", () => {
  test("keeps the last writes and no more, skips what a power failure cut off, and is given newest first", async () => {
    const { apply, history, device, state } = host([rule({ address: GPU }, { kernel_driver: null })]);
    await apply(GPU);
    const { uuid } = await device(GPU);
    const path = join(state, "setup/devices", uuid, "history.jsonl");
    const [entry] = await history(GPU);
    const line = JSON.stringify({ ...entry, message: "x".repeat(100) });
    writeFileSync(path, `${Array(1200).fill(line).join("\n")}\n{"time":"cut`);
    await apply(GPU, { revert: true });
    expect(existsSync(`${path}.1`)).toBe(true);
    await apply(GPU);
    const all = await history(GPU);
    expect(all).toHaveLength(1000);
    expect(all.slice(0, 2).map(({ kind }) => kind)).toEqual(["apply", "apply"]);
    expect(all[2]?.kind).toBe("revert");
    expect(readFileSync(path, "utf8").length).toBeLessThan(10_000);
  });
});

test("a tier that sets nothing up offers nothing that would override it", () => {
  expect(noSetup("driver gpu").refusals.map(({ name }) => canForce(name))).toEqual([false]);
});

test("an error of the engine is a SinewError with a code, or says what happened", async () => {
  const { driver } = host(BOTH) as TestSetup & { kernel: Kernel };
  expect(await failed(driver.plan(crypto.randomUUID(), {}))).toBeInstanceOf(SinewError);
});
