import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import type { Condition } from "../../../src/contract/condition.ts";
import { conditionsOf } from "../../../src/drivers/conditions.ts";
import { fromScan } from "../../../src/drivers/discover.ts";
import type { AerCounters, IommuState, PciFunction, PciHop } from "../../../src/pci/function.ts";
import { pciFunction } from "../functions.ts";

const node = { id: "6f1a3f0e-9f57-4c8e-8f5e-0d0c1a2b3c4d", name: "rack-7" };
const now = new Date("2026-11-23T10:00:00Z");
const h100 = (given: Partial<PciFunction> = {}) =>
  pciFunction("10de:2330", "0302", { kernel_driver: "nvidia", ...given });

function device(fn: PciFunction) {
  const [found] = fromScan({ functions: [fn], problems: [] }, { node, now }).hardware;
  if (!found) throw new Error("no device");
  return found;
}
const said = (fn: PciFunction, type: string): Condition | undefined =>
  device(fn).acc_status.conditions.find((one) => one.type === type);

const hop = (given: Partial<PciHop> = {}): PciHop => ({
  device: "0000:01:00.0",
  port: "0000:00:01.0",
  speed_gts: 16,
  width: 16,
  max_speed_gts: 16,
  max_width: 16,
  both_speed_gts: 16,
  both_width: 16,
  ...given,
});

describe("Present", () => {
  test("is true while the bus lists it, and false for one that left in the middle of a scan", () => {
    expect(said(h100(), "Present")).toMatchObject({ status: "true", reason: "Listed" });
    const gone = h100({ response: "silent", problems: [{ reason: "Vanished", message: "it went away" }] });
    expect(said(gone, "Present")).toMatchObject({ status: "false", reason: "Vanished", message: "it went away" });
  });
});

describe("LinkFull", () => {
  const link = (...hops: PciHop[]) => said(h100({ hops }), "LinkFull");

  test("is true with all lanes and all speed that both ends have, however little that is", () => {
    expect(link(hop())).toMatchObject({ status: "true", reason: "LinkFull", message: "x16 at 16 GT/s" });
    expect(link(hop({ width: 4, both_width: 4 }))).toMatchObject({
      status: "true",
      message: "x4 at 16 GT/s; it could x16, 0000:00:01.0 can x4",
    });
    expect(link(hop({ port: null, both_width: null, both_speed_gts: null }))).toMatchObject({ status: "true" });
  });

  test("is false with fewer lanes than both ends can, with the numbers and the hop named", () => {
    expect(link(hop({ width: 4 }))).toMatchObject({
      status: "false",
      reason: "LinkNarrow",
      message: "x4 between 0000:01:00.0 and 0000:00:01.0, where both ends can x16",
    });
    const above = hop({ device: "0000:02:00.0", port: "0000:00:03.0", width: 1, both_width: 8 });
    const found = link(hop(), above);
    expect(found?.message).toBe("x1 between 0000:02:00.0 and 0000:00:03.0, where both ends can x8");
    expect(found?.action).toContain("Reseat");
  });

  test("is unknown at less speed: devices slow down while they idle", () => {
    expect(link(hop({ speed_gts: 2.5 }))).toMatchObject({ status: "unknown", reason: "LinkSlow" });
    expect(link(hop({ speed_gts: 2.5 }))?.message).toStartWith(
      "2.5 GT/s between 0000:01:00.0 and 0000:00:01.0, where both ends can 16 GT/s",
    );
    // Lanes are not given up to save power.
    expect(link(hop({ speed_gts: 2.5, width: 8 }))).toMatchObject({ status: "false", reason: "LinkNarrow" });
  });

  test("is unknown where it is not to be seen, and not said at all of what has no link", () => {
    expect(said(h100({ hops: null }), "LinkFull")).toMatchObject({ status: "unknown", reason: "NotObservable" });
    expect(link(hop({ width: 8, both_width: null }))).toMatchObject({ status: "unknown", reason: "NotObservable" });
    expect(link(hop({ width: null }))).toMatchObject({ status: "unknown", reason: "NotObservable" });
    expect(said(h100({ hops: [hop()], response: "asleep" }), "LinkFull")).toMatchObject({ reason: "Asleep" });
    expect(link()).toBeUndefined();
  });

  test("says something of any hops, and false only of a hop that is narrower than both ends", () => {
    const lanes = fc.constantFrom(null, 1, 2, 4, 8, 12, 16, 32);
    const speeds = fc.constantFrom(null, 2.5, 5, 8, 16, 32, 64);
    const hops = fc.array(
      fc.record({
        device: fc.constant("0000:01:00.0"),
        port: fc.constantFrom(null, "0000:00:01.0"),
        speed_gts: speeds,
        width: lanes,
        max_speed_gts: speeds,
        max_width: lanes,
        both_speed_gts: speeds,
        both_width: lanes,
      }),
      { maxLength: 4 },
    );
    fc.assert(
      fc.property(hops, (all) => {
        const narrow = all.some(({ width, both_width: both }) => width !== null && both !== null && width < both);
        const status = link(...all)?.status;
        expect(status === "false").toBe(narrow);
        expect(status === undefined).toBe(all.length === 0);
      }),
    );
  });
});

describe("IommuReady", () => {
  const iommu = (state: IommuState["state"] | null, given: Partial<IommuState> = {}) =>
    said(h100({ iommu: state && { state, table: null, parameter: null, ...given } }), "IommuReady");

  test("tells three states apart, each with what to do", () => {
    expect(iommu("absent")).toMatchObject({ status: "false", reason: "NoIommu" });
    expect(iommu("absent")?.action).toContain("firmware's settings");
    const off = iommu("off", { table: "DMAR", parameter: "intel_iommu=off" });
    expect(off).toMatchObject({ status: "false", reason: "IommuOff" });
    expect(off?.message).toContain("(DMAR), and the kernel has 0 groups: intel_iommu=off");
    expect(off?.action).toBe("Take intel_iommu=off off the kernel's command line and reboot");
    expect(iommu("off", { table: "DMAR" })?.action).toStartWith("Put intel_iommu=on");
    const grouped = h100({ iommu_group: 42, iommu: { state: "groups", table: null, parameter: null } });
    expect(said(grouped, "IommuReady")).toMatchObject({ status: "true", message: "it is in IOMMU group 42" });
  });

  test("does not guess: a function in no group, tables that can't be seen, a recording", () => {
    expect(iommu("groups")).toMatchObject({ status: "false", reason: "NoGroup" });
    expect(iommu("untold")).toMatchObject({ status: "false", reason: "NoGroups" });
    expect(iommu(null)).toMatchObject({ status: "unknown", reason: "NotObservable" });
  });

  test("is not needed to be ready", () => {
    expect(device(h100({ iommu: { state: "absent", table: null, parameter: null } })).acc_status.ready).toBe(true);
  });
});

describe("ErrorFree", () => {
  const aer = (given: Partial<AerCounters>) =>
    said(h100({ aer: { correctable: {}, nonfatal: {}, fatal: {}, ...given } }), "ErrorFree");

  test("of one reading is true for no error, and else for a second reading to tell", () => {
    expect(aer({})).toMatchObject({ status: "true", reason: "NoErrors" });
    expect(aer({ correctable: { RxErr: 10, BadTLP: 3 } })).toMatchObject({ status: "unknown", reason: "FirstReading" });
    expect(aer({ correctable: { RxErr: 10, BadTLP: 3 }, fatal: { DLP: 2 } })?.message).toStartWith(
      "2 fatal (DLP 2); 13 correctable (RxErr 10, BadTLP 3) since it was added",
    );
    expect(said(h100(), "ErrorFree")).toMatchObject({ status: "unknown", reason: "NotObservable" });
  });
});

describe("conditions", () => {
  test("begin with those that readiness takes, and what is not among them leaves a device ready", () => {
    const fn = h100({ hops: [hop({ width: 1 })], iommu: { state: "absent", table: null, parameter: null } });
    const types = conditionsOf(fn, { kernelDrivers: [], driverNeeded: true }).map(({ type }) => type);
    expect(types).toEqual(["Responding", "DriverBound", "Present", "LinkFull", "ErrorFree", "IommuReady"]);
    expect(device(fn).acc_status).toMatchObject({ ready: true, setup_required: false });
  });

  test("name driver_override where it is why nothing is bound", () => {
    const found = said(h100({ kernel_driver: null, driver_override: "vfio-pci" }), "DriverBound");
    expect(found).toMatchObject({ status: "false", reason: "NoKernelDriver" });
    expect(found?.message).toContain("driver_override lets none but vfio-pci bind");
    expect(found?.action).toBe(
      "`modprobe vfio-pci`; or, to let another driver bind, `echo > /sys/bus/pci/devices/0000:01:00.0/driver_override`",
    );
  });

  test("of crypto devices come with their algorithms", () => {
    const fn = pciFunction("1af4:1054", "00ff", { kernel_driver: "virtio-pci", algorithms: ["cbc(aes)"] });
    expect(device(fn).acc_specs).toMatchObject({
      device_type: "CRYPTO",
      acc_capability: { algorithms: ["cbc(aes)"] },
    });
  });
});
