import { existsSync, mkdirSync, readFileSync, readlinkSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { FactsQuery } from "../../src/setup/facts/facts.ts";
import { readFacts } from "../../src/setup/facts/read.ts";
import { BlockedError, type Hands, KernelError } from "../../src/setup/hands/hands.ts";
import { type Device, makeTree, type Tree } from "../support/tree.ts";

export interface Kernel {
  tree: Tree;
  proc: string;
  /** Every write that was tried, `path value`, the path from bus/pci on. */
  writes: string[];
  hands(): Hands;
  /** A function with an override that can be written, and a group with all its members. */
  add(device: Device): void;
  driverOf(address: string): string | null;
  overrideOf(address: string): string | null;
  vfsOf(address: string): string[];
  /** Called before a write is done; may throw, and resolves with false to keep it from doing anything. */
  before: (path: string, value: string) => undefined | boolean | Promise<never>;
  /** Drivers that take a function by themselves, by its ids. */
  takes: Map<string, string>;
  close(): void;
}

/**
 * A tree that reacts to writes as the kernel does (drivers/pci/pci-driver.c, iov.c), and what the lab shows the real one
 * to do: a probe that binds nothing succeeds. The lab proves the same on real kernels.
 */
export function makeKernel(): Kernel {
  const tree = makeTree();
  const { sysfs } = tree;
  const proc = join(sysfs, "proc");
  mkdirSync(join(proc, "self"), { recursive: true });
  writeFileSync(join(proc, "swaps"), "Filename\tType\tSize\tUsed\tPriority\n");
  mkdirSync(join(sysfs, "kernel/iommu_groups"), { recursive: true });
  const devices = new Map<string, Device>();
  const vfs = new Map<string, string[]>();

  const driverOf = (address: string) => {
    const link = join(tree.directory(address), "driver");
    return existsSync(link) ? (readlinkSync(link).split("/").at(-1) ?? null) : null;
  };
  // All that changes is in the tree: another process may have changed it.
  const overrideOf = (address: string) => {
    const value = attribute(address, "driver_override");
    return value === "(null)" ? null : value;
  };
  const setOverride = (address: string, value: string) =>
    tree.setAttribute(address, "driver_override", `${value || "(null)"}\n`);

  function add(device: Device): void {
    tree.add(device);
    devices.set(device.address, device);
    if (device.driver) kernel.takes.set(`${device.vendor}:${device.device}`, device.driver);
    setOverride(device.address, "");
    if (device.sriov) {
      tree.setAttribute(device.address, "sriov_drivers_autoprobe", "1\n");
      tree.setAttribute(device.address, "sriov_offset", "1\n");
      tree.setAttribute(device.address, "sriov_stride", "1\n");
    }
    if (device.iommuGroup === undefined) return;
    const folder = join(sysfs, `kernel/iommu_groups/${device.iommuGroup}/devices`);
    mkdirSync(folder, { recursive: true });
    symlinkSync(tree.directory(device.address), join(folder, device.address));
  }

  function probe(address: string): void {
    if (driverOf(address) !== null || !devices.has(address)) return;
    const device = devices.get(address);
    const driver = overrideOf(address) ?? kernel.takes.get(`${device?.vendor}:${device?.device}`);
    if (!driver || !existsSync(join(sysfs, "bus/pci/drivers", driver))) return;
    // Without an IOMMU group vfio-pci's probe fails, and drivers_probe succeeds all the same.
    if (driver === "vfio-pci" && device?.iommuGroup === undefined) return;
    tree.bind(address, driver);
  }

  function removeVfs(pf: string): void {
    for (const vf of vfs.get(pf) ?? []) {
      const group = devices.get(vf)?.iommuGroup;
      if (group !== undefined) rmSync(join(sysfs, `kernel/iommu_groups/${group}/devices`, vf), { force: true });
      tree.remove(vf);
      devices.delete(vf);
    }
    vfs.set(pf, []);
    for (let index = 0; index < 64; index += 1) rmSync(join(tree.directory(pf), `virtfn${index}`), { force: true });
  }

  function numvfs(pf: string, value: string): void {
    const path = `${pf}/sriov_numvfs`;
    const device = devices.get(pf);
    const [count, now] = [Number(value), (vfs.get(pf) ?? []).length];
    if (!device?.sriov || driverOf(pf) === null) throw new KernelError(path, "ENOENT");
    if (count > device.sriov.total) throw new KernelError(path, "ERANGE");
    if (count > 0 && now > 0 && count !== now) throw new KernelError(path, "EBUSY");
    if (count === 0) removeVfs(pf);
    else if (now === 0) {
      const [bus = "", slot = "", fn = "0"] = pf.slice(5).split(/[:.]/);
      vfs.set(
        pf,
        Array.from({ length: count }, (_, index) => {
          const id = Number.parseInt(bus, 16) * 256 + Number.parseInt(slot, 16) * 8 + Number(fn) + 1 + index;
          const hex = (number: number) => number.toString(16).padStart(2, "0");
          const address = `${pf.slice(0, 5)}${hex(id >> 8)}:${hex((id >> 3) & 31)}.${id & 7}`;
          add({
            ...device,
            address,
            sriov: null,
            driver: null,
            slot: undefined,
            iommuGroup: device.iommuGroup === undefined ? undefined : device.iommuGroup * 100 + index,
            physfn: { pf, index },
          });
          return address;
        }),
      );
      if (attribute(pf, "sriov_drivers_autoprobe") === "1") for (const vf of vfs.get(pf) ?? []) probe(vf);
    }
    tree.setAttribute(pf, "sriov_numvfs", `${count}\n`);
  }

  const attribute = (address: string, name: string) => readFileSync(join(tree.directory(address), name), "utf8").trim();

  function write(path: string, value: string): void {
    const [, inner = ""] = path.split("/bus/pci/");
    const parts = inner.split("/");
    const [, address = "", name = ""] = parts;
    if (parts[0] === "drivers_probe") probe(value);
    else if (parts[0] === "drivers" && name === "unbind") unbind(path, address, value);
    else if (!devices.has(address)) throw new KernelError(path, "ENOENT");
    else if (name === "driver_override") setOverride(address, value);
    else if (name === "sriov_numvfs") numvfs(address, value);
    else if (name === "sriov_drivers_autoprobe") tree.setAttribute(address, name, `${value}\n`);
    else throw new KernelError(path, "ENOENT");
  }

  function unbind(path: string, driver: string, address: string): void {
    if (driverOf(address) !== driver) throw new KernelError(path, "ENODEV");
    // Most drivers take their VFs along.
    removeVfs(address);
    if (devices.get(address)?.sriov) tree.setAttribute(address, "sriov_numvfs", "0\n");
    tree.unbind(address);
  }

  const kernel: Kernel = {
    tree,
    proc,
    writes: [],
    add,
    driverOf,
    overrideOf: (address) => overrideOf(address),
    vfsOf: (address) => vfs.get(address) ?? [],
    before: () => undefined,
    takes: new Map(),
    hands: () => {
      let blocked: BlockedError | null = null;
      return {
        async facts(query: FactsQuery) {
          if (blocked) throw blocked;
          return readFacts({ ...query });
        },
        async write(path, value) {
          if (blocked) throw blocked;
          kernel.writes.push(`${path.split("/bus/pci/")[1]} ${value}`.trim());
          try {
            if ((await kernel.before(path, value)) === false) return;
          } catch (error) {
            if (error instanceof BlockedError) blocked = error;
            throw error;
          }
          write(path, value);
        },
        close() {},
      };
    },
    close: () => tree.close(),
  };
  for (const driver of ["vfio-pci", "pci-stub"]) mkdirSync(join(sysfs, "bus/pci/drivers", driver), { recursive: true });
  return kernel;
}
