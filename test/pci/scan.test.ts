import { afterEach, expect, test } from "bun:test";
import { existsSync, mkdirSync, renameSync, rmSync, symlinkSync, unlinkSync } from "node:fs";
import { join } from "node:path";
import type { PciFunction } from "../../src/pci/function.ts";
import { scanPci } from "../../src/pci/sysfs/scan.ts";
import { type Device, makeTree, syntheticHost, type Tree } from "../support/tree.ts";

let tree: Tree = makeTree();
afterEach(() => {
  tree.close();
  tree = makeTree();
});

const BRIDGE: Device = { address: "0000:00:01.0", vendor: "8086", device: "352a", class: "060400", secondary: 1 };
const GPU: Device = {
  address: "0000:01:00.0",
  parent: "0000:00:01.0",
  vendor: "10de",
  device: "2331",
  class: "030200",
  revision: "a1",
  subsystem: "10de:1626",
  driver: "nvidia",
  numaNode: 1,
  iommuGroup: 42,
  serial: "2b-0a-50-31-8c-38-25-00",
  slot: "7",
  label: "GPU bay 1",
};

function one(address = GPU.address): PciFunction {
  const found = scanPci({ sysfs: tree.sysfs }).functions.find((fn) => fn.address === address);
  if (!found) throw new Error(`${address} is not there`);
  return found;
}
const reasons = (fn: PciFunction) => fn.problems.map(({ reason }) => reason);

test("scanPci() reads everything of a function", () => {
  tree.add(BRIDGE);
  tree.add(GPU);
  expect(scanPci({ sysfs: tree.sysfs })).toMatchObject({ looked_at: 2, problems: [] });
  expect(one()).toEqual({
    address: "0000:01:00.0",
    path: "0000:00/01.0/00.0",
    parent: "0000:00:01.0",
    slot: "7",
    label: "GPU bay 1",
    vendor_id: "10de",
    device_id: "2331",
    class: "030200",
    subsystem_vendor_id: "10de",
    subsystem_device_id: "1626",
    revision: "a1",
    kernel_driver: "nvidia",
    driverObservable: true,
    numa_node: 1,
    iommu_group: 42,
    link: { speed_gts: 16, width: 16, max_speed_gts: 32, max_width: 16 },
    serials: [{ kind: "dsn", value: "2b-0a-50-31-8c-38-25-00" }],
    hops: [
      {
        device: "0000:01:00.0",
        port: "0000:00:01.0",
        speed_gts: 16,
        width: 16,
        max_speed_gts: 32,
        max_width: 16,
        both_speed_gts: 32,
        both_width: 16,
      },
    ],
    aer: null,
    driver_override: null,
    iommu: null,
    attributes: {},
    algorithms: null,
    pf_ids: null,
    sriov: null,
    bars: [{ index: 0, type: "mem64", prefetchable: true, size: 16 * 1024 * 1024 }],
    response: "responding",
    problems: [],
  });
});

test("scanPci() reports what a function does not have as null", () => {
  tree.add({ address: "0000:00:02.0", vendor: "8086", device: "1234", class: "ff0000", link: null, bars: [] });
  expect(one("0000:00:02.0")).toMatchObject({
    numa_node: null,
    iommu_group: null,
    kernel_driver: null,
    subsystem_vendor_id: null,
    link: null,
    slot: null,
    label: null,
    sriov: null,
    serials: [],
    bars: [],
  });
});

test("scanPci() reads a link from the attributes where config space is not all there", () => {
  tree.add(BRIDGE);
  tree.add(GPU);
  const config = tree.config(GPU.address);
  tree.setConfig(GPU.address, config.subarray(0, 64));
  tree.setAttribute(GPU.address, "current_link_width", "8\n");
  tree.setAttribute(GPU.address, "max_link_speed", "Unknown\n");
  expect(one()).toMatchObject({
    link: { speed_gts: 16, width: 8, max_speed_gts: null, max_width: 16 },
    serials: [],
    problems: [],
  });
});

test("scanPci() names a VF by its PF and its number there", () => {
  tree.add(BRIDGE);
  tree.add({ ...GPU, sriov: { total: 16, enabled: 2 } });
  for (const index of [0, 1]) {
    const address = `0000:01:00.${index + 4}`;
    tree.add({ ...GPU, address, slot: undefined, physfn: { pf: GPU.address, index }, serial: null });
  }
  expect(one().sriov).toEqual({ total: 16, enabled: 2, pf: null, vf_index: null });
  expect(one("0000:01:00.5")).toMatchObject({
    path: "0000:00/01.0/00.0/vf1",
    sriov: { total: null, enabled: null, pf: GPU.address, vf_index: 1 },
    // Its first config dword reads all ones, and it is well.
    response: "responding",
    vendor_id: "10de",
  });
});

test("scanPci() leaves a function in runtime suspend asleep", () => {
  tree.add(BRIDGE);
  tree.add({ ...GPU, runtimeStatus: "suspended" });
  // Were one of these opened, it would show as unreadable.
  for (const name of ["config", "current_link_speed", "max_link_width"]) {
    rmSync(join(tree.directory(GPU.address), name));
    mkdirSync(join(tree.directory(GPU.address), name));
  }
  expect(one()).toMatchObject({ response: "asleep", link: null, serials: [], problems: [], revision: "a1" });
});

test("scanPci() reports a function that reads all ones as silent, with what the kernel still knows", () => {
  tree.add(BRIDGE);
  tree.add(GPU);
  tree.breakAllOnes(GPU.address);
  const fn = one();
  expect(fn).toMatchObject({ response: "silent", link: null, vendor_id: "10de", revision: "a1" });
  expect(reasons(fn)).toEqual(["AllOnes"]);
});

test("scanPci() tells a missing, an empty and a short config space apart", () => {
  tree.add({ ...BRIDGE, config: null });
  expect(one(BRIDGE.address)).toMatchObject({ response: "unobservable", problems: [] });
  tree.setConfig(BRIDGE.address, new Uint8Array(0));
  expect(one(BRIDGE.address)).toMatchObject({ response: "unobservable", problems: [] });
  for (const size of [1, 12, 48, 63]) {
    tree.setConfig(BRIDGE.address, new Uint8Array(size));
    expect(reasons(one(BRIDGE.address))).toEqual(["ConfigTruncated"]);
  }
});

test("scanPci() keeps one broken function from costing another", () => {
  tree.add(BRIDGE);
  tree.add(GPU);
  tree.add({ ...GPU, address: "0000:01:01.0", slot: undefined });
  const broken = tree.directory("0000:01:01.0");
  for (const name of ["numa_node", "config"]) {
    rmSync(join(broken, name));
    symlinkSync(name, join(broken, name)); // ELOOP: a read that should work and does not
  }
  symlinkSync("../../../devices/nowhere", join(tree.sysfs, "bus/pci/devices/0000:09:00.0"));
  mkdirSync(join(tree.sysfs, "bus/pci/devices/garbage"));
  mkdirSync(join(tree.sysfs, "bus/pci/devices/0000:0a:00.0"));
  const { functions, problems, looked_at } = scanPci({ sysfs: tree.sysfs });
  expect(functions.map(({ address, problems }) => [address, problems.length])).toEqual([
    ["0000:00:01.0", 0],
    ["0000:01:00.0", 0],
    ["0000:01:01.0", 1],
  ]);
  expect(functions[2]).toMatchObject({ response: "unobservable", problems: [{ reason: "Unreadable" }] });
  expect(problems.map(({ name, reason }) => [name, reason])).toEqual([
    ["garbage", "BadName"],
    ["0000:09:00.0", "Vanished"],
    ["0000:0a:00.0", "Unreadable"],
  ]);
  expect(looked_at).toBe(5);
});

test("scanPci() reports a function that leaves while it is read", () => {
  tree.add(BRIDGE);
  tree.add(GPU);
  const { functions } = scanPci({
    sysfs: tree.sysfs,
    wanted: ({ vendor_id }) => {
      if (vendor_id === "10de") {
        const directory = tree.directory(GPU.address);
        for (const name of ["config", "class", "vendor", "device"]) unlinkSync(join(directory, name));
      }
      return true;
    },
  });
  expect(functions.map((fn) => [fn.response, ...reasons(fn)])).toEqual([["responding"], ["silent", "Vanished"]]);
});

test("scanPci() reports capability lists that loop", () => {
  tree.add(BRIDGE);
  tree.add(GPU);
  const config = tree.config(GPU.address);
  config[0x61] = 0x40;
  tree.setConfig(GPU.address, config);
  expect(reasons(one())).toEqual(["BadCapabilities"]);
});

test("scanPci() survives attributes of any content", () => {
  tree.add(BRIDGE);
  const contents = [
    "",
    "\n",
    "0x",
    "0x1234567890\n",
    "\0\0\0",
    "x".repeat(70_000),
    "\uffff\u0000é\n",
    "-1\n",
    "0x10DE",
  ];
  const names = ["revision", "subsystem_vendor", "resource", "numa_node", "label", "sriov_totalvfs", "uevent"];
  for (const [index, content] of contents.entries()) {
    const address = `0000:02:${index.toString(16).padStart(2, "0")}.0`;
    tree.add({ ...GPU, address, parent: undefined, slot: undefined, driver: null });
    for (const name of [...names, "power/runtime_status", "max_link_width"]) tree.setAttribute(address, name, content);
    if (index % 2) for (const name of ["vendor", "class"]) tree.setAttribute(address, name, content);
  }
  const { functions, problems } = scanPci({ sysfs: tree.sysfs });
  expect(functions.length + problems.length).toBe(contents.length + 1);
  for (const fn of functions) expect(fn.label ?? "").not.toContain("\0");
});

test("scanPci() reads the ids alone of what is not wanted, and nothing of what is skipped", () => {
  tree.add(BRIDGE);
  tree.add(GPU);
  for (const name of ["config", "resource"]) {
    rmSync(join(tree.directory(BRIDGE.address), name));
    mkdirSync(join(tree.directory(BRIDGE.address), name));
  }
  const visited: string[] = [];
  const options = { sysfs: tree.sysfs, onFunction: (address: string) => visited.push(address) };
  const scan = scanPci({ ...options, wanted: (ids) => ids.class === "030200" });
  expect(scan).toMatchObject({ looked_at: 2, functions: [{ address: GPU.address, parent: BRIDGE.address }] });
  // The port above a function is looked at for what its end of the link can.
  expect(visited).toEqual([BRIDGE.address, GPU.address, BRIDGE.address, GPU.address]);
  expect(scanPci({ ...options, skip: new Set([GPU.address]) })).toMatchObject({ looked_at: 1 });
});

test("scanPci() finds parents in plain directories by their bridges' bus numbers", () => {
  tree.add(BRIDGE);
  tree.add({ ...BRIDGE, address: "0000:01:00.0", parent: BRIDGE.address, secondary: 2 });
  tree.add({ ...GPU, address: "0000:02:00.0", parent: "0000:01:00.0" });
  rmSync(join(tree.directory("0000:01:00.0"), "secondary_bus_number"));
  for (const address of ["0000:02:00.0", "0000:01:00.0", BRIDGE.address]) {
    const entry = join(tree.sysfs, "bus/pci/devices", address);
    const directory = tree.directory(address);
    unlinkSync(entry);
    renameSync(directory, entry);
  }
  expect(one("0000:02:00.0")).toMatchObject({ path: "0000:00/01.0/00.0/00.0", parent: "0000:01:00.0" });
});

test("scanPci() finds none on a host without PCI, and throws where there is no sysfs", () => {
  rmSync(join(tree.sysfs, "bus/pci"), { recursive: true });
  expect(scanPci({ sysfs: tree.sysfs })).toEqual({ functions: [], looked_at: 0, problems: [] });
  expect(() => scanPci({ sysfs: join(tree.sysfs, "nowhere") })).toThrow("ENOENT");
});

test("scanPci() follows a card to another slot, where it has another path and the same serial", () => {
  tree.add(BRIDGE);
  tree.add({ ...BRIDGE, address: "0000:00:02.0", secondary: 2 });
  tree.add(GPU);
  tree.unbind(GPU.address);
  tree.move(GPU.address, "0000:02:00.0", "0000:00:02.0");
  expect(one("0000:02:00.0")).toMatchObject({
    path: "0000:00/02.0/00.0",
    kernel_driver: null,
    serials: [{ kind: "dsn", value: GPU.serial }],
  });
  tree.bind("0000:02:00.0", "vfio-pci");
  expect(one("0000:02:00.0").kernel_driver).toBe("vfio-pci");
  tree.remove("0000:02:00.0");
  expect(scanPci({ sysfs: tree.sysfs }).looked_at).toBe(2);
});

test("syntheticHost() is a bus of that many functions, every one of which responds", () => {
  const host = syntheticHost(64);
  try {
    const { functions, problems } = scanPci({ sysfs: host.sysfs });
    expect(functions).toHaveLength(64);
    expect(problems).toEqual([]);
    expect(functions.every((fn) => fn.response === "responding" && fn.problems.length === 0)).toBe(true);
    expect(new Set(functions.map((fn) => fn.path)).size).toBe(64);
  } finally {
    host.close();
  }
});

test.if(existsSync("/sys/bus/pci/devices"))("scanPci() reads this host's own bus", () => {
  const { functions, looked_at, problems } = scanPci({ sysfs: "/sys" });
  expect(problems).toEqual([]);
  expect(functions).toHaveLength(looked_at);
});
