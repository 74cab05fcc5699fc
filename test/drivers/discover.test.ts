import { describe, expect, test } from "bun:test";
import { fromScan, wantedBy } from "../../src/drivers/discover.ts";
import type { PciFunction } from "../../src/pci/function.ts";
import { pciFunction } from "./functions.ts";

const node = { id: "6f1a3f0e-9f57-4c8e-8f5e-0d0c1a2b3c4d", name: "rack-7" };
const now = new Date("2026-11-23T10:00:00Z");

describe("fromScan()", () => {
  const gpu = pciFunction("10de:2330", "0302");
  const nvme = pciFunction("144d:a824", "0108", { address: "0000:02:00.0" });
  const bridge = pciFunction("8086:2030", "0604", { address: "0000:00:01.0" });
  const ghost = pciFunction("ffff:ffff", "ffffff", {
    address: "0000:03:00.0",
    response: "silent",
    problems: [{ reason: "AllOnes", message: "AllOnes happened" }],
  });
  const scan = { functions: [bridge, gpu, nvme, ghost], problems: [] };
  const types = (options: { kinds?: string[]; all?: boolean }) =>
    fromScan(scan, { node, now, ...options }).hardware.map((each) => each.acc_specs.device_type);

  test("lists all kinds, one kind, or everything there is", () => {
    // The ghost may be any of them: it is shown beside the kinds.
    expect(types({})).toEqual(["GPU", "SSD", "GENERIC"]);
    expect(types({ kinds: ["ssd"] })).toEqual(["SSD"]);
    expect(types({ kinds: [] })).toEqual([]);
    expect(types({ all: true })).toEqual(["GENERIC", "GPU", "SSD", "GENERIC"]);
    expect(types({ kinds: ["generic"] })).toEqual(["GENERIC"]);
    expect(types({ kinds: ["gpu"], all: true })).toEqual(["GENERIC", "GPU", "GENERIC"]);
  });

  test("refuses the name of a kind that there is not", () => {
    expect(() => types({ kinds: ["gpus"] })).toThrow(RangeError);
  });

  test("says which functions could be anything, and what the scan could not read", () => {
    const problems = [
      { name: "0000:04:00.0", reason: "Unreadable", message: "EIO" },
      { name: "nonsense", reason: "BadName", message: "no address" },
      { line: 7, message: "no hex" },
    ];
    expect(fromScan({ ...scan, problems }, { node, now, kinds: ["gpu"] }).problems).toEqual([
      { address: "0000:04:00.0", place: "0000:04:00.0", reason: "Unreadable", message: "EIO" },
      { address: null, place: "nonsense", reason: "BadName", message: "no address" },
      { address: null, place: "line 7", reason: "Unreadable", message: "line 7: no hex" },
      { address: "0000:03:00.0", place: "0000:03:00.0", reason: "AllOnes", message: "AllOnes happened" },
    ]);
  });

  test("lists what could not be read as one entry each, not ready, with the reason", () => {
    const problems = [
      { name: "0000:04:00.0", reason: "Unreadable", message: "EIO" },
      { name: "nonsense", reason: "BadName", message: "no address" },
    ];
    const { hardware } = fromScan({ functions: [gpu], problems }, { node, now, kinds: ["generic"] });
    expect(hardware.map(({ name, acc_status }) => [name, acc_status.ready, acc_status.conditions[0]?.reason])).toEqual([
      ["Unidentified function 0000:04:00.0", false, "Unreadable"],
      ["Unidentified function nonsense", false, "BadName"],
    ]);
  });

  test("counts an Alveo's two functions as one card", () => {
    const functions = ["10ee:5000", "10ee:5001"].map((id, fn) =>
      pciFunction(id, "1200", { address: `0000:af:00.${fn}` }),
    );
    const { hardware } = fromScan({ functions, problems: [] }, { node, now });
    expect(hardware.map((each) => each.acc_specs.num)).toEqual([0, 1]);
  });

  test("gives one device one uuid, whatever driver is bound", () => {
    const functions: PciFunction[] = [gpu, { ...gpu, kernel_driver: "vfio-pci" }];
    const { hardware } = fromScan({ functions, problems: [] }, { node, now });
    expect(new Set(hardware.map((each) => each.uuid)).size).toBe(1);
  });
});

describe("wantedBy()", () => {
  const { vendor_id, device_id } = pciFunction("10de:2330", "0302");
  const gpu = { vendor_id, device_id, class: "030200" };
  const bridge = { vendor_id: "8086", device_id: "2030", class: "060400" };
  const unread = { vendor_id: "ffff", device_id: "ffff", class: "ffffff" };

  test("wants what the same options list, and what could be anything", () => {
    expect([gpu, bridge, unread].map(wantedBy({}))).toEqual([true, false, true]);
    expect([gpu, bridge, unread].map(wantedBy({ kinds: ["ssd"] }))).toEqual([false, false, true]);
    expect([gpu, bridge, unread].map(wantedBy({ all: true }))).toEqual([true, true, true]);
    expect([gpu, bridge, unread].map(wantedBy({ kinds: ["generic"] }))).toEqual([false, false, true]);
    expect(() => wantedBy({ kinds: ["gpus"] })).toThrow(RangeError);
  });
});
