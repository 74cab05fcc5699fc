import { errnoName } from "../../ffi/libc.ts";
import type { PciFunction, PciProblem } from "../function.ts";
import { SysfsBus } from "./bus.ts";
import { SysfsFunction } from "./function.ts";
import { isAbsent, SysfsReader } from "./reader.ts";
import type { PciIds } from "./uevent.ts";

export type { PciIds } from "./uevent.ts";

export interface ScanOptions {
  /** The sysfs to read: `/sys`, or the root of a recorded tree. */
  sysfs: string;
  /** Functions it refuses cost their ids only, and are counted. Default: all are wanted. */
  wanted?: (ids: PciIds) => boolean;
  /** Addresses that are not touched at all. */
  skip?: ReadonlySet<string>;
  /** Called with the address before anything of a function is read. */
  onFunction?: (address: string) => void;
}

/** An entry of the bus that could not become a function. */
export interface ScanProblem extends PciProblem {
  name: string;
}

export interface ScanResult {
  /** Sorted by address. */
  functions: PciFunction[];
  /** Functions seen, wanted or not. */
  looked_at: number;
  problems: ScanProblem[];
}

/**
 * Reads the PCI bus of a sysfs and blocks while it does. A function that can't be read, lies or leaves is one entry with
 * a problem. Throws SysfsError only when the bus itself can't be read.
 */
export function scanPci({ sysfs, wanted, skip, onFunction }: ScanOptions): ScanResult {
  const reader = new SysfsReader();
  const bus = new SysfsBus(reader, sysfs);
  const result: ScanResult = { functions: [], looked_at: 0, problems: [] };
  try {
    for (const name of bus.badNames) {
      const message = `bus/pci/devices should hold PCI addresses, found ${JSON.stringify(name)}`;
      result.problems.push({ name, reason: "BadName", message });
    }
    for (const address of bus.addresses) {
      if (skip?.has(address)) continue;
      result.looked_at++;
      onFunction?.(address);
      scanFunction(bus, address, wanted, result);
    }
  } finally {
    bus.close();
  }
  return result;
}

function scanFunction(bus: SysfsBus, address: string, wanted: ScanOptions["wanted"], result: ScanResult): void {
  const { reader } = bus;
  const directory = reader.openEntry(bus.devices, address);
  if (directory < 0) {
    const message = `its directory cannot be opened: ${errnoName(reader.error)}`;
    result.problems.push({ name: address, reason: isAbsent(reader.error) ? "Vanished" : "Unreadable", message });
    return;
  }
  const entry = new SysfsFunction(bus, address, directory);
  try {
    const ids = entry.ids();
    if (ids === null) {
      const why = entry.problems[0] ?? { reason: "Unreadable", message: "neither attributes nor config space name it" };
      result.problems.push({ name: address, ...why });
    } else if (!wanted || wanted(ids)) {
      result.functions.push(entry.read(ids));
    }
  } finally {
    entry.close();
  }
}
