import { errnoName } from "../../ffi/libc.ts";
import type { PciFunction, PciProblem } from "../function.ts";
import { SysfsBus } from "./bus.ts";
import { SysfsHost } from "./facts/host.ts";
import { SysfsFunction } from "./function.ts";
import { isAbsent, SysfsReader } from "./reader.ts";
import type { PciIds } from "./uevent.ts";

/** What is asked about a function before more than its ids is read. */
export interface WantedIds extends PciIds {
  /** On a VF the ids of its PF. */
  pf_ids: PciIds | null;
}

export interface ScanOptions {
  /** The sysfs to read: `/sys`, or the root of a recorded tree. */
  sysfs: string;
  /** Functions it refuses cost their ids only, and are counted. Default: all are wanted. */
  wanted?: (ids: WantedIds) => boolean;
  /** Where procfs is: what it says of this host goes with its functions. Default: `/proc` for a real sysfs, else none. */
  proc?: string | undefined;
  /** Addresses that are not touched at all. */
  skip?: ReadonlySet<string>;
  /** Addresses of functions whose lock is held: what it takes that lock to read is not read. */
  busy?: ReadonlySet<string>;
  /** Called before and after what a function's lock is taken for, which waits while a driver is bound or makes VFs. */
  onLocked?: (locked: boolean) => void;
  /** Addresses of functions that are known and have not changed: they are counted, and not read. */
  keep?: ReadonlySet<string> | undefined;
  /** Called with the address before anything of a function is read, and of a port on the way to another. */
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

/** One pass over the bus, which may have skipped and kept some of it. */
export interface ScanPass extends ScanResult {
  /** Everything that the bus lists, sorted. */
  addresses: string[];
}

/**
 * Reads the PCI bus of a sysfs and blocks while it does. A function that can't be read, lies or leaves is one entry with
 * a problem. Throws SysfsError only when the bus itself can't be read.
 */
export function scanPci({ wanted, ...options }: ScanOptions): ScanResult {
  const scan = scanning(options);
  let step = scan.next();
  while (!step.done) step = scan.next(wanted?.(step.value) ?? true);
  const { functions, looked_at, problems } = step.value;
  return { functions, looked_at, problems };
}

/** The scan itself, which gives each function's ids and takes whether the function is wanted. */
export function* scanning({
  sysfs,
  proc,
  skip,
  keep,
  busy,
  onFunction,
  onLocked,
}: Omit<ScanOptions, "wanted">): Generator<WantedIds, ScanPass, boolean> {
  const reader = new SysfsReader();
  const bus = new SysfsBus(reader, sysfs);
  const host = new SysfsHost(bus, { sysfs, proc, skip, busy, onFunction, onLocked });
  const result: ScanPass = { functions: [], looked_at: 0, problems: [], addresses: bus.addresses };
  const idsOf = new Map<string, PciIds>();
  try {
    for (const name of bus.badNames) {
      const message = `bus/pci/devices should hold PCI addresses, found ${JSON.stringify(name)}`;
      result.problems.push({ name, reason: "BadName", message });
    }
    for (const address of bus.addresses) {
      if (skip?.has(address)) continue;
      result.looked_at++;
      if (keep?.has(address)) continue;
      host.enter(address);
      const directory = reader.openEntry(bus.devices, address);
      if (directory < 0) {
        const message = `its directory cannot be opened: ${errnoName(reader.error)}`;
        const reason = isAbsent(reader.error) ? "Vanished" : "Unreadable";
        result.problems.push({ name: address, reason, message });
        continue;
      }
      const fn = new SysfsFunction(bus, host, address, directory);
      try {
        const ids = fn.ids();
        if (ids === null) {
          result.problems.push({ name: address, ...(fn.entry.problems[0] ?? NAMELESS) });
          continue;
        }
        idsOf.set(address, ids);
        // A VF's address is higher than its PF's (PCIe 6.0, 9.2.1.2), so that one has been read.
        const pf = fn.pf();
        const pfIds = pf === null ? null : (idsOf.get(pf) ?? (keep?.has(pf) ? idsAlone(bus, host, pf) : null));
        const { vendor_id, device_id, class: classCode } = ids;
        if (yield { vendor_id, device_id, class: classCode, pf_ids: pfIds }) result.functions.push(fn.read(ids, pfIds));
      } finally {
        fn.close();
      }
    }
  } finally {
    bus.close();
  }
  return result;
}

/** The ids of a PF that is kept, for a VF that is not. */
function idsAlone(bus: SysfsBus, host: SysfsHost, address: string): PciIds | null {
  const directory = bus.reader.openEntry(bus.devices, address);
  if (directory < 0) return null;
  const fn = new SysfsFunction(bus, host, address, directory);
  try {
    return fn.ids();
  } finally {
    fn.close();
  }
}

const NAMELESS = { reason: "Unreadable", message: "neither attributes nor config space name it" } as const;
