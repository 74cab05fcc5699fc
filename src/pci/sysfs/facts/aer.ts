import type { AerCounters } from "../../function.ts";
import type { SysfsEntry } from "../entry.ts";

export const AER_FILES = {
  correctable: "aer_dev_correctable",
  nonfatal: "aer_dev_nonfatal",
  fatal: "aer_dev_fatal",
} as const satisfies Record<keyof AerCounters, string>;

/** More than there are kinds; what else stands in the file is none of the kernel's. */
const MOST_KINDS = 64;

/**
 * One of the kernel's counter files (drivers/pci/pcie/aer.c), as kind and count; the total, which repeats them, is left
 * out, and so is every line that is something else:
 *
 *     RxErr 0
 *     BadTLP 3
 *     TOTAL_ERR_COR 3
 */
export function parseAer(text: string): [kind: string, count: number][] {
  const counts: [string, number][] = [];
  for (const [, kind = "", count = ""] of text.matchAll(/^([A-Za-z][A-Za-z0-9]{0,31}) (\d{1,15})$/gm)) {
    if (counts.length < MOST_KINDS) counts.push([kind, Number(count)]);
  }
  return counts;
}

/** What is not zero; null where the kernel counts nothing for the function. */
export function readAer(entry: SysfsEntry): AerCounters | null {
  const counters: AerCounters = { correctable: {}, nonfatal: {}, fatal: {} };
  for (const severity of ["correctable", "nonfatal", "fatal"] as const) {
    // All three are there or none (aer_stats_attrs_are_visible): one look tells most functions.
    if (!entry.read(AER_FILES[severity])) return null;
    if (isClean(entry.reader.bytes, entry.reader.length)) continue;
    counters[severity] = Object.fromEntries(parseAer(entry.reader.latin1()).filter(([, count]) => count > 0));
  }
  return counters;
}

/** No digit but 0 in it: as good as always, and the text of a thousand functions need not be taken apart. */
function isClean(bytes: Uint8Array, length: number): boolean {
  for (let i = 0; i < length; i++) {
    const code = bytes[i] as number;
    if (code > 0x30 && code <= 0x39) return false;
  }
  return true;
}
