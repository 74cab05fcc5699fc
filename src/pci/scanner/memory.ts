import type { PciFunction } from "../function.ts";
import type { ScanProblem, ScanResult } from "../sysfs/scan.ts";
import { byAddress } from "../sysfs/topology.ts";

/** What was last seen of each function, for those that can't be asked now: hung ones, and ones asleep. */
export class ScanMemory {
  #last = new Map<string, PciFunction>();

  /** `scan` and what is known of the functions that it left out because a read of them has not returned. */
  complete(scan: ScanResult, hung: ReadonlySet<string>, message: string): ScanResult {
    const functions = scan.functions.map((fn) => (fn.response === "asleep" ? this.#awake(fn) : fn));
    const seen = new Map(functions.map((fn) => [fn.address, fn]));
    const unknown: ScanProblem[] = [];
    for (const address of hung) {
      // What was known of it before it hung is still the last that is known of it.
      const known = this.#last.get(address);
      if (known) seen.set(address, known);
      if (known) functions.push({ ...known, response: "silent", problems: [{ reason: "Hung", message }] });
      else unknown.push({ name: address, reason: "Hung", message });
    }
    if (hung.size > 0) functions.sort((a, b) => byAddress(a.address, b.address));
    this.#last = seen;
    return { functions, looked_at: scan.looked_at + hung.size, problems: [...scan.problems, ...unknown] };
  }

  /** A function that fell asleep, with the link and the serials it had: asking for them would wake it. */
  #awake(fn: PciFunction): PciFunction {
    const known = this.#last.get(fn.address);
    if (!known || !isSame(known, fn)) return fn;
    return { ...fn, link: fn.link ?? known.link, serials: fn.serials.length > 0 ? fn.serials : known.serials };
  }
}

/** The same kind of card in the same place: whatever else sat there before says nothing about this one. */
const isSame = (a: PciFunction, b: PciFunction): boolean =>
  a.path === b.path &&
  a.vendor_id === b.vendor_id &&
  a.device_id === b.device_id &&
  a.class === b.class &&
  a.subsystem_vendor_id === b.subsystem_vendor_id &&
  a.subsystem_device_id === b.subsystem_device_id;
