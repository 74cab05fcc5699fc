import type { Hardware } from "../contract/hardware.ts";
import type { PciFunction } from "../pci/function.ts";
import { generic } from "./generic.ts";
import { type HardwareContext, toHardware } from "./hardware.ts";
import { classify, kinds } from "./registry.ts";

/** What could not be made into a device: said beside the list, so that nothing is dropped silently. */
export interface ScanProblem {
  /** null when not even an address is known. */
  address: string | null;
  reason: string;
  message: string;
}

/** What a scan of the bus gives, or a dump, whose problems have a line and no address. */
export interface Scanned {
  functions: readonly PciFunction[];
  problems: readonly { address?: string | null; line?: number; reason?: string; message: string }[];
}

export interface DiscoverOptions extends Pick<HardwareContext, "node" | "names" | "now"> {
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
 * The devices of one driver, or of all, in the order of the scan. A function whose ids could not be read may be
 * anything: it is listed only as GENERIC, on request, and is always among the problems.
 * Throws RangeError for the name of a kind that there is not.
 */
export function fromScan(scan: Scanned, options: DiscoverOptions): Discovered {
  const { node, names, now } = options;
  const all = options.all || options.kinds?.includes(generic.name) || false;
  const wanted = new Set(options.kinds ?? kinds.map((kind) => kind.name));
  for (const name of wanted) {
    if (name === generic.name || kinds.some((kind) => kind.name === name)) continue;
    throw new RangeError(`a kind is one of ${kinds.map((kind) => kind.name).join(", ")}, got ${JSON.stringify(name)}`);
  }
  const siblings = Map.groupBy(scan.functions, (fn) => busAndDevice(fn.address));
  const hardware: Hardware[] = [];
  const problems = scan.problems.map(
    ({ address = null, line, reason = "Unreadable", message }): ScanProblem => ({
      address,
      reason,
      message: line === undefined ? message : `line ${line}: ${message}`,
    }),
  );
  for (const fn of scan.functions) {
    const beside = siblings.get(busAndDevice(fn.address)) ?? [];
    const found = classify(fn, beside);
    if (found) {
      if (wanted.has(found.kind.name)) hardware.push(toHardware(fn, { node, names, now, ...found }));
      continue;
    }
    if (all) {
      const claim = generic.claim(fn, beside);
      hardware.push(toHardware(fn, { node, names, now, kind: generic, claim }));
    }
    if (!hasIds(fn)) problems.push(...unidentified(fn));
  }
  return { hardware, problems };
}

const busAndDevice = (address: string) => address.slice(0, address.lastIndexOf("."));

/** ffff is what a missing device reads as, and no vendor. */
function hasIds(fn: PciFunction): boolean {
  return /^[0-9a-f]{4}$/.test(fn.vendor_id) && fn.vendor_id !== "ffff" && fn.vendor_id !== "0000";
}

function unidentified(fn: PciFunction): ScanProblem[] {
  const { address } = fn;
  if (fn.problems.length > 0) return fn.problems.map(({ reason, message }) => ({ address, reason, message }));
  return [{ address, reason: "Unidentified", message: `no vendor id could be read, got ${fn.vendor_id || "nothing"}` }];
}
