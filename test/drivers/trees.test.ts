import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { fromScan, wantedBy } from "../../src/drivers/discover.ts";
import { scanPci } from "../../src/pci/sysfs/scan.ts";
import { type Device, makeTree, type Tree } from "../support/tree.ts";

const node = { id: "6f1a3f0e-9f57-4c8e-8f5e-0d0c1a2b3c4d", name: "rack-7" };
const now = new Date("2026-11-23T10:00:00Z");

let tree: Tree;
beforeEach(() => {
  tree = makeTree();
});
afterEach(() => tree.close());

/** As a driver of these kinds reads the bus: only what they want. */
function found(kinds?: string[]) {
  const { functions, problems } = scanPci({ sysfs: tree.sysfs, wanted: wantedBy({ kinds }) });
  return fromScan({ functions, problems }, { node, now, kinds }).hardware;
}
const shown = (kinds?: string[]) =>
  found(kinds).map(({ source, name, acc_specs, acc_status, pci }) => [
    pci?.address,
    source,
    name,
    acc_specs.num,
    acc_status.ready,
  ]);
const endpoint = (address: string, ids: string, pciClass: string, more: Partial<Device> = {}): Device => {
  const [vendor = "", device = ""] = ids.split(":");
  return { address, vendor, device, class: pciClass, ...more };
};
const vf = (pf: string, index: number): Partial<Device> => ({ physfn: { pf, index } });

describe("a bus with", () => {
  test("an FPGA shows an Alveo as one card, and Intel's accelerator card by its id", () => {
    tree.add(endpoint("0000:3b:00.0", "10ee:5000", "120000", { driver: "xclmgmt" }));
    tree.add(endpoint("0000:3b:00.1", "10ee:5001", "120000", { driver: "xocl" }));
    tree.add(endpoint("0000:5e:00.0", "8086:09c4", "120000", { driver: "dfl-pci" }));
    expect(shown(["fpga"])).toMatchObject([
      ["0000:3b:00.0", "fpga", expect.any(String), 0, true],
      ["0000:3b:00.1", "fpga", expect.any(String), 1, true],
      ["0000:5e:00.0", "fpga", expect.any(String), 1, true],
    ]);
  });

  test("DSA and IAA shows both as data movers, and says which driver is missing", () => {
    tree.add(endpoint("0000:6a:01.0", "8086:0b25", "088000", { driver: "idxd" }));
    tree.add(endpoint("0000:6a:02.0", "8086:0cfe", "088000"));
    expect(shown()).toEqual([
      ["0000:6a:01.0", "dsa", "Data Streaming Accelerator (DSA)", 1, true],
      ["0000:6a:02.0", "dsa", "In-Memory Analytics Accelerator (IAA)", 1, false],
    ]);
    expect(found()[1]?.acc_status.conditions.find(({ type }) => type === "DriverBound")).toMatchObject({
      reason: "NoKernelDriver",
      action: expect.stringContaining("modprobe idxd"),
    });
  });

  test("a forward error correction card shows its VFs under it, counted as nothing", () => {
    const pf = "0000:8a:00.0";
    tree.add(endpoint(pf, "8086:57c0", "120000", { driver: "vfio-pci", sriov: { total: 16, enabled: 2 } }));
    tree.add(endpoint("0000:8b:00.0", "8086:57c1", "120000", { driver: "vfio-pci", ...vf(pf, 0) }));
    tree.add(endpoint("0000:8b:00.1", "8086:57c1", "120000", { driver: "vfio-pci", ...vf(pf, 1) }));
    expect(shown(["fec"])).toEqual([
      [pf, "fec", "ACC200 (vRAN Boost)", 1, true],
      ["0000:8b:00.0", "fec", "ACC200 (vRAN Boost)", 0, true],
      ["0000:8b:00.1", "fec", "ACC200 (vRAN Boost)", 0, true],
    ]);
    expect(found()[2]?.pci).toMatchObject({
      path: "0000:8a/00.0/vf1",
      sriov: { total: null, enabled: null, pf, vf_index: 1 },
    });
    expect(found()[0]?.pci?.sriov).toEqual({ total: 16, enabled: 2, pf: null, vf_index: null });
    expect(shown(["aichip"])).toEqual([]);
  });
});

describe("a VF whose ids nobody has listed", () => {
  const pf = "0000:6b:00.0";
  beforeEach(() => {
    tree.add(endpoint(pf, "8086:4940", "0b4000", { driver: "4xxx", sriov: { total: 16, enabled: 1 } }));
  });

  test("is of its PF's kind although its class says nothing", () => {
    tree.add(endpoint("0000:6b:00.1", "8086:fff1", "0b4000", { driver: "4xxxvf", ...vf(pf, 0) }));
    for (const kinds of [undefined, ["crypto"]]) {
      expect(shown(kinds)).toEqual([
        [pf, "crypto", expect.any(String), 1, true],
        ["0000:6b:00.1", "crypto", "CRYPTO 8086:fff1", 0, true],
      ]);
    }
    expect(found()[1]?.pci?.path).toBe("0000:6b/00.0/vf0");
  });

  test("is of its PF's kind and no other although its class says another", () => {
    tree.add(endpoint("0000:6b:00.1", "8086:fff1", "120000", vf(pf, 0)));
    expect(shown().map(([address, source]) => [address, source])).toEqual([
      [pf, "crypto"],
      ["0000:6b:00.1", "crypto"],
    ]);
    expect(shown(["aichip"])).toEqual([]);
  });

  test("goes by its class where the PF is no accelerator either", () => {
    const other = "0000:6c:00.0";
    tree.add(endpoint(other, "abcd:0001", "ff0000", { sriov: { total: 1, enabled: 1 } }));
    tree.add(endpoint("0000:6c:00.1", "abcd:0002", "020000", { driver: "ice", ...vf(other, 0) }));
    expect(shown(["nic"])).toEqual([["0000:6c:00.1", "nic", "NIC abcd:0002", 0, true]]);
  });
});
