import type { PciFunction } from "../function.ts";
import type { ScanPass, ScanProblem, ScanResult } from "../sysfs/scan.ts";

/** What was last seen of each function: for those that can't be asked now, and those that there is no need to ask. */
export class ScanMemory {
  readonly #whyHung: string;
  /** Of the wanted ones. */
  #last = new Map<string, PciFunction>();
  /** Those of which the last look is as good as another one: it got through, whether they are wanted or not. */
  #seen = new Set<string>();
  #again: ReadonlySet<string> = new Set();

  constructor(whyHung: string) {
    this.#whyHung = whyHung;
  }

  /** All that is known but these: what a pass can leave alone. */
  allBut(changed: ReadonlySet<string>): Set<string> {
    return this.#seen.difference(changed);
  }

  concerns(address: string): boolean {
    return this.#last.has(address) || !this.#seen.has(address);
  }

  /** What a pass saw, with what is known of the functions that it kept or skipped. */
  take(pass: ScanPass, keep: ReadonlySet<string>, skipped: ReadonlySet<string>): ScanResult {
    const read = new Map(pass.functions.map((fn) => [fn.address, fn]));
    const last = new Map<string, PciFunction>();
    const functions: PciFunction[] = [];
    const unknown: ScanProblem[] = [];
    for (const address of pass.addresses) {
      const known = this.#last.get(address);
      if (skipped.has(address)) {
        const hung = { reason: "Hung", message: this.#whyHung } as const;
        // What was known of it before it hung is still the last that is known of it.
        if (known) last.set(address, known);
        if (known) functions.push({ ...known, response: "silent", problems: [hung] });
        else unknown.push({ name: address, ...hung });
        continue;
      }
      const now = read.get(address);
      const fn = now ? awake(now, known) : keep.has(address) ? known : undefined;
      if (!fn) continue;
      last.set(address, fn);
      functions.push(fn);
    }
    const problems = [...pass.problems, ...unknown];
    const seen = new Set(pass.addresses);
    for (const { name } of problems) seen.delete(name);
    for (const address of skipped) seen.delete(address);
    const beside =
      keep.size === 0
        ? new Set<string>()
        : besides({ keep, seen, gone: this.#seen.difference(seen), before: this.#last, last });
    this.#again = beside.union(vanished(functions, problems));
    this.#last = last;
    this.#seen = seen;
    return { functions, looked_at: pass.addresses.length, problems };
  }

  /**
   * What the last pass should be followed by another for: functions that it kept and that belong to one that it found
   * changed, and those that went away under its eyes, of which the next list of the bus knows more.
   */
  get again(): ReadonlySet<string> {
    return this.#again;
  }
}

function vanished(functions: readonly PciFunction[], problems: readonly ScanProblem[]): Set<string> {
  const gone = functions.filter((fn) => fn.problems.some(({ reason }) => reason === "Vanished"));
  const unopened = problems.filter(({ reason }) => reason === "Vanished");
  return new Set([...gone.map(({ address }) => address), ...unopened.map(({ name }) => name)]);
}

type Functions = ReadonlyMap<string, PciFunction>;

/**
 * Kept functions that share a fact with one that was read, came or went: those of the same device (its slot), the PF of a
 * VF (how many it has), the VFs of a PF (their path).
 */
function besides(given: {
  keep: ReadonlySet<string>;
  seen: ReadonlySet<string>;
  gone: ReadonlySet<string>;
  before: Functions;
  last: Functions;
}): Set<string> {
  const { keep, seen, gone, before, last } = given;
  const devices = new Set<string>();
  const touched = new Set<string>();
  const pfs = new Set<string>();
  const touch = (address: string) => {
    touched.add(address);
    devices.add(deviceOf(address));
    for (const fn of [before.get(address), last.get(address)]) if (fn?.sriov?.pf) pfs.add(fn.sriov.pf);
  };
  for (const address of seen) if (!keep.has(address)) touch(address);
  for (const address of gone) touch(address);
  const beside = new Set<string>();
  if (touched.size === 0) return beside;
  for (const address of keep) {
    if (!seen.has(address)) continue;
    const pf = last.get(address)?.sriov?.pf;
    if (pfs.has(address) || devices.has(deviceOf(address)) || (pf && touched.has(pf))) beside.add(address);
  }
  return beside;
}

const deviceOf = (address: string) => address.slice(0, address.lastIndexOf("."));

/** A function that fell asleep, with what it said of itself before: asking for that would wake it. */
function awake(fn: PciFunction, known: PciFunction | undefined): PciFunction {
  if (fn.response !== "asleep" || !known || !isSame(known, fn)) return fn;
  return {
    ...fn,
    link: fn.link ?? known.link,
    hops: fn.hops ?? known.hops,
    serials: fn.serials.length > 0 ? fn.serials : known.serials,
    attributes: { ...known.attributes, ...fn.attributes },
  };
}

/** The same kind of card in the same place: whatever else sat there before says nothing about this one. */
const isSame = (a: PciFunction, b: PciFunction): boolean =>
  a.path === b.path &&
  a.vendor_id === b.vendor_id &&
  a.device_id === b.device_id &&
  a.class === b.class &&
  a.subsystem_vendor_id === b.subsystem_vendor_id &&
  a.subsystem_device_id === b.subsystem_device_id;
