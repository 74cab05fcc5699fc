import { describe, expect, test } from "bun:test";
import type { Condition } from "../../src/contract/condition.ts";
import { Hardware } from "../../src/contract/hardware.ts";
import { type PciNames, toHardware } from "../../src/drivers/hardware.ts";
import { classify } from "../../src/drivers/registry.ts";
import { deriveStatus } from "../../src/drivers/status.ts";
import type { PciFunction, PciProblem } from "../../src/pci/function.ts";
import { deviceUuid } from "../../src/pci/identity.ts";
import { pciFunction } from "./functions.ts";

const node = { id: "6f1a3f0e-9f57-4c8e-8f5e-0d0c1a2b3c4d", name: "rack-7" };
const now = new Date("2026-11-23T10:00:00Z");

function device(fn: PciFunction, names?: PciNames): Hardware {
  const hardware = toHardware(fn, { node, now, names, kind: null, claim: null, ...classify(fn) });
  Hardware.parse(hardware);
  return hardware;
}

function condition(fn: PciFunction, type: string): Condition {
  const found = device(fn).acc_status.conditions.find((each) => each.type === type);
  if (!found) throw new Error(`no condition ${type}`);
  return found;
}

const h100 = (given: Partial<PciFunction> = {}) => pciFunction("10de:2330", "0302", given);
const problem = (reason: PciProblem["reason"], message = `${reason} happened`): PciProblem => ({ reason, message });

describe("toHardware()", () => {
  test("makes a healthy, bound function a ready device", () => {
    const fn = h100({ kernel_driver: "nvidia" });
    const hardware = device(fn);
    expect(hardware).toMatchObject({
      uuid: deviceUuid(node.id, fn),
      name: "GH100 [H100 SXM5 80GB]",
      source: "gpu",
      node,
      first_seen: "2026-11-23T10:00:00.000Z",
      freshness: "FRESH",
      acc_specs: { remote: 0, num: 1, device_type: "GPU", acc_capability: {} },
      acc_status: { setup_required: false, reboot_required: false, ready: true },
    });
    expect(hardware.acc_status.conditions.map(({ type, status }) => [type, status])).toEqual([
      ["Responding", "true"],
      ["DriverBound", "true"],
      ["Present", "true"],
      ["LinkFull", "unknown"],
      ["ErrorFree", "unknown"],
      ["IommuReady", "unknown"],
    ]);
    expect(new Set(hardware.acc_status.conditions.map((each) => each.since))).toEqual(
      new Set(["2026-11-23T10:00:00.000Z"]),
    );
  });

  test("carries every PCI fact over, and no field of the scan's own", () => {
    const fn = h100();
    const { serials, pf_ids, response, driverObservable, problems, ...others } = fn;
    const { hops, aer, driver_override, iommu, attributes, algorithms, ...facts } = others;
    expect(device(fn).pci).toEqual({ ...facts, vendor: null, device: null });
  });

  test("names a device as the system does, else as the table does, else by its ids", () => {
    expect(device(h100(), () => ({ vendor: "NVIDIA Corporation", device: "H100" }))).toMatchObject({
      name: "H100",
      pci: { vendor: "NVIDIA Corporation", device: "H100" },
    });
    expect(device(h100(), () => ({ vendor: "NVIDIA Corporation", device: "" }))).toMatchObject({
      name: "GH100 [H100 SXM5 80GB]",
      pci: { device: null },
    });
    expect(device(h100(), () => null).name).toBe("GH100 [H100 SXM5 80GB]");
    expect(device(pciFunction("abcd:0001", "1200")).name).toBe("AICHIP abcd:0001");
    expect(device(pciFunction("abcd:0001", "0604"))).toMatchObject({ name: "GENERIC abcd:0001", source: "generic" });
  });

  test("asks for no driver where it cannot tell that one is needed", () => {
    const bridge = pciFunction("abcd:0001", "0600");
    expect(condition(bridge, "DriverBound")).toMatchObject({ status: "unknown", action: null });
    expect(device(bridge).acc_status).toMatchObject({ setup_required: false, ready: false });
  });
});

describe("Responding", () => {
  test.each<[PciFunction["response"], PciProblem[], Condition["status"], string]>([
    ["responding", [], "true", "ConfigRead"],
    ["asleep", [], "unknown", "Asleep"],
    ["unobservable", [], "unknown", "NotObservable"],
    ["silent", [], "false", "AllOnes"],
    ["silent", [problem("AllOnes")], "false", "AllOnes"],
    ["silent", [problem("Hung")], "false", "Hung"],
    ["silent", [problem("Vanished")], "false", "Vanished"],
    ["silent", [problem("Unreadable")], "false", "Unreadable"],
    ["unobservable", [problem("Unreadable")], "unknown", "NotObservable"],
    ["responding", [problem("Hung")], "false", "Hung"],
  ])("%s with %j is %s, %s", (response, problems, status, reason) => {
    const said = condition(h100({ response, problems, kernel_driver: "nvidia" }), "Responding");
    expect(said).toMatchObject({ status, reason });
    if (status === "false") expect(said.action).toBeString();
  });

  test("says what to do about a card that fell off the bus", () => {
    const fn = h100({ response: "silent", problems: [problem("AllOnes")], kernel_driver: "nvidia" });
    expect(condition(fn, "Responding").action).toMatch(/power-cycle the slot.*reseat/);
    expect(device(fn).acc_status).toMatchObject({ ready: false, setup_required: false });
  });

  test("does not call a sleeping device ready, nor broken", () => {
    const fn = h100({ response: "asleep", kernel_driver: "nvidia" });
    expect(device(fn).acc_status).toMatchObject({ ready: false, setup_required: false, reboot_required: false });
  });
});

describe("DriverBound", () => {
  test("names the modules to load when none is bound", () => {
    const said = condition(h100(), "DriverBound");
    expect(said).toMatchObject({ status: "false", reason: "NoKernelDriver" });
    expect(said.message).toBe("no kernel driver is bound; nvidia, nouveau or vfio-pci would make it usable");
    expect(said.action).toContain("`modprobe nvidia`");
    expect(device(h100()).acc_status).toMatchObject({ setup_required: true, ready: false });
  });

  test("names the module where the driver's name is another", () => {
    expect(condition(pciFunction("8086:4940", "0b40"), "DriverBound").action).toContain("`modprobe qat_4xxx`");
    expect(condition(pciFunction("8086:37c8", "0b40"), "DriverBound").action).toContain("`modprobe qat_c62x`");
  });

  test("says how to bind a card that is driven from user space", () => {
    const said = condition(pciFunction("8086:0d5c", "1200"), "DriverBound");
    expect(said.action).toBe("`modprobe vfio-pci` and bind 0000:01:00.0 to it (driver_override in sysfs)");
  });

  test("lets the kernel look for a driver that we do not know", () => {
    const said = condition(pciFunction("1e60:2864", "1200"), "DriverBound");
    expect(said.action).toContain("/sys/bus/pci/devices/0000:01:00.0/modalias");
  });

  test("takes another driver than the known ones for a driver, and says so", () => {
    const fn = pciFunction("1002:68fa", "0300", { kernel_driver: "fglrx_pci" });
    expect(condition(fn, "DriverBound")).toMatchObject({
      status: "true",
      reason: "Bound",
      message: "fglrx_pci is bound, where amdgpu, radeon or vfio-pci was expected",
    });
  });

  test("takes pci-stub for none", () => {
    const fn = h100({ kernel_driver: "pci-stub" });
    expect(condition(fn, "DriverBound")).toMatchObject({ status: "false", reason: "StubDriver" });
    expect(condition(fn, "DriverBound").action).toStartWith("Unbind pci-stub from 0000:01:00.0");
    expect(device(fn).acc_status.ready).toBe(false);
    const fec = pciFunction("8086:0d5c", "1200", { kernel_driver: "pci-pf-stub" });
    expect(condition(fec, "DriverBound").status).toBe("true");
  });

  test("is unknown where a recording cannot tell, and asks for no setup then", () => {
    const fn = h100({ driverObservable: false });
    expect(condition(fn, "DriverBound")).toMatchObject({ status: "unknown", reason: "NotObservable", action: null });
    expect(device(fn).acc_status).toMatchObject({ setup_required: false, ready: false });
  });
});

describe("problems", () => {
  test("all become visible", () => {
    const problems = [
      problem("BadCapabilities", "the list loops at 40"),
      problem("Unreadable", "numa_node: EIO"),
      problem("Unreadable", "revision: EIO"),
      problem("ConfigTruncated", "64 of 256 bytes"),
      problem("BadName", "no address"),
      problem("Hung", "config did not return"),
      problem("AllOnes", "all ones"),
      problem("Vanished", "ENODEV"),
    ];
    const { conditions } = device(h100({ problems })).acc_status;
    const text = conditions.map((each) => each.message).join("\n");
    for (const { message } of problems) expect(text).toContain(message);
    expect(conditions.map(({ type, status, reason }) => [type, status, reason])).toEqual([
      ["Responding", "false", "Vanished"],
      ["DriverBound", "false", "NoKernelDriver"],
      ["Present", "false", "Vanished"],
      ["LinkFull", "unknown", "NotObservable"],
      ["ErrorFree", "unknown", "NotObservable"],
      ["IommuReady", "unknown", "NotObservable"],
      ["ConfigValid", "false", "BadCapabilities"],
      ["Readable", "false", "Unreadable"],
      ["ConfigComplete", "false", "ConfigTruncated"],
      ["AddressValid", "false", "BadName"],
    ]);
  });

  test("beside a card that answers leave it ready", () => {
    const fn = h100({ problems: [problem("BadCapabilities")], kernel_driver: "nvidia" });
    expect(device(fn).acc_status.ready).toBe(true);
  });
});

describe("deriveStatus()", () => {
  const said = (type: string, status: Condition["status"]) => ({ type, status });
  const fine = [said("Responding", "true"), said("DriverBound", "true")];

  test("is ready when every required condition is true", () => {
    expect(deriveStatus(fine)).toEqual({ setup_required: false, reboot_required: false, ready: true });
    expect(deriveStatus([...fine, said("Readable", "false")]).ready).toBe(true);
  });

  test("is not ready for one that is false, unknown or missing", () => {
    for (const status of ["false", "unknown"] as const) {
      expect(deriveStatus([said("Responding", status), said("DriverBound", "true")]).ready).toBe(false);
      expect(deriveStatus([said("Responding", "true"), said("DriverBound", status)]).ready).toBe(false);
    }
    expect(deriveStatus([said("Responding", "true")]).ready).toBe(false);
  });

  test("asks for setup when no driver is bound or a condition asks, and for a reboot when one asks", () => {
    expect(deriveStatus([said("Responding", "true"), said("DriverBound", "false")]).setup_required).toBe(true);
    expect(deriveStatus([said("Responding", "false"), said("DriverBound", "true")]).setup_required).toBe(false);
    expect(deriveStatus([...fine, said("SetupRequired", "true")])).toMatchObject({
      setup_required: true,
      ready: false,
    });
    expect(deriveStatus([...fine, said("RebootRequired", "true")])).toMatchObject({
      reboot_required: true,
      ready: false,
    });
    expect(deriveStatus([...fine, said("RebootRequired", "false")]).ready).toBe(true);
  });

  test("goes by the two booleans of hardware without conditions", () => {
    expect(deriveStatus([]).ready).toBe(true);
    expect(deriveStatus([], { setup_required: true, reboot_required: false })).toEqual({
      setup_required: true,
      reboot_required: false,
      ready: false,
    });
    const duplicate = [said("DuplicateIdentity", "true")];
    expect(deriveStatus(duplicate, { setup_required: false, reboot_required: true }).ready).toBe(false);
    expect(deriveStatus(fine, { setup_required: true, reboot_required: true }).ready).toBe(true);
  });
});
