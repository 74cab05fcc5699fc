import type { Hardware } from "../contract/hardware.ts";
import type { PciFunction } from "../pci/function.ts";
import { generic } from "./generic.ts";
import { type HardwareContext, toHardware } from "./hardware.ts";
import { classify, kinds } from "./registry.ts";
import { type ScanProblem, toUnidentified } from "./unidentified.ts";

/** What a scan of the bus gives, whose problems have the name of a directory, or a dump, whose problems have a line. */
export interface Scanned {
  functions: readonly PciFunction[];
  problems: readonly { name?: string; line?: number; reason?: string; message: string }[];
}

export interface DiscoverOptions extends Pick<HardwareContext, "node" | "names" | "now" | "health"> {
  /** Names of the kinds wanted, `"generic"` among them; all kinds without it. */
  kinds?: readonly string[] | undefined;
  /** Lists what no kind claims, too, as GENERIC. */
  all?: boolean | undefined;
}

export interface Discovered {
  hardware: Hardware[];
  problems: ScanProblem[];
}

/**
 * The devices of one driver, or of all, in the order of the scan. What could not be read may be anything: it is listed
 * as GENERIC by the kind "generic", which is among the default ones, and is always among the problems.
 * Throws RangeError for the name of a kind that there is not.
 */
export function fromScan(scan: Scanned, options: DiscoverOptions): Discovered {
  const { node, names, now, health } = options;
  const { all = false } = options;
  const wanted = namesOf(options.kinds);
  health?.begin(scan);
  const siblings = Map.groupBy(scan.functions, (fn) => busAndDevice(fn.address));
  const hardware: Hardware[] = [];
  const problems = scan.problems.map(toProblem);
  for (const fn of scan.functions) {
    const beside = siblings.get(busAndDevice(fn.address)) ?? [];
    const found = classify(fn, beside);
    if (found) {
      if (wanted.has(found.kind.name)) hardware.push(toHardware(fn, { node, names, now, health, ...found }));
      continue;
    }
    if (all) {
      const claim = generic.claim(fn, beside);
      hardware.push(toHardware(fn, { node, names, now, health, kind: generic, claim }));
    }
    if (!hasIds(fn)) problems.push(...unidentified(fn));
  }
  if (wanted.has(generic.name)) {
    const listed = new Set(hardware.map(({ pci }) => pci?.address));
    const first = new Map(problems.filter(({ address }) => !listed.has(address ?? "")).map((one) => [one.place, one]));
    hardware.push(...[...first.values()].map((problem) => toUnidentified(problem, { node, now })));
  }
  return { hardware, problems };
}

/**
 * Which functions a scan has to read for these kinds: give it as the scan's `wanted`, so that the config space of the
 * rest is left alone. What could be anything is wanted, too. Throws RangeError as `fromScan` does.
 */
export function wantedBy(options: Pick<DiscoverOptions, "kinds" | "all">): (ids: WantedIds) => boolean {
  const wanted = namesOf(options.kinds);
  if (options.all) return () => true;
  return (ids) => {
    const found = classify({ ...ids, address: "", sriov: null });
    return found ? wanted.has(found.kind.name) : !hasIds(ids);
  };
}

type WantedIds = Pick<PciFunction, "vendor_id" | "device_id" | "class"> & Partial<Pick<PciFunction, "pf_ids">>;

/** Names of all drivers: one per kind, and the one for what could not be read. */
export const driverNames: readonly string[] = [...kinds.map((kind) => kind.name), generic.name];

function namesOf(names: readonly string[] = driverNames): Set<string> {
  for (const name of names) {
    if (driverNames.includes(name)) continue;
    throw new RangeError(`a kind is one of ${driverNames.join(", ")}, got ${JSON.stringify(name)}`);
  }
  return new Set(names);
}

function toProblem({ name, line, reason = "Unreadable", message }: Scanned["problems"][number]): ScanProblem {
  const address = name && /^[0-9a-f]{4,8}:[0-9a-f]{2}:[01][0-9a-f]\.[0-7]$/.test(name) ? name : null;
  return {
    address,
    place: name ?? `line ${line}`,
    reason,
    message: line === undefined ? message : `line ${line}: ${message}`,
  };
}

const busAndDevice = (address: string) => address.slice(0, address.lastIndexOf("."));

/** ffff is what a missing device reads as, and no vendor. */
function hasIds(fn: WantedIds): boolean {
  return /^[0-9a-f]{4}$/.test(fn.vendor_id) && fn.vendor_id !== "ffff" && fn.vendor_id !== "0000";
}

function unidentified(fn: PciFunction): ScanProblem[] {
  const { address } = fn;
  if (fn.problems.length > 0)
    return fn.problems.map(({ reason, message }) => ({ address, place: address, reason, message }));
  return [
    {
      address,
      place: address,
      reason: "Unidentified",
      message: `no vendor id could be read, got ${fn.vendor_id || "nothing"}`,
    },
  ];
}
