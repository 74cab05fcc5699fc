import type { AerCounters, PciFunction } from "../../pci/function.ts";
import type { Said } from "./said.ts";

/** How long an error counts as recent, in milliseconds. */
export const ERROR_WINDOW = 10 * 60_000;

/** Counters when they were last read, and how much they rose at which time (milliseconds since 1970). */
export interface ErrorMemory {
  last: AerCounters;
  rises: { at: number; by: AerCounters }[];
}

const SEVERITIES = ["fatal", "nonfatal", "correctable"] as const;
const REASONS = { fatal: "FatalErrors", nonfatal: "NonfatalErrors", correctable: "CorrectableErrors" } as const;
/** Rises this close together are one, so that a storm fills no memory. */
const SAME = 60_000;
const ACTION =
  "Look for AER lines in dmesg; reseat the card, its riser or cable, and try another slot; errors that go on are the card's, the slot's or the board's";

/** What is remembered after the counters were read as `seen`. The first reading is where counting begins. */
export function remember(before: ErrorMemory | null, seen: AerCounters, now: number): ErrorMemory {
  if (before === null) return { last: seen, rises: [] };
  // A clock that was set back makes no error last longer than its window.
  const recent = before.rises
    .map(({ at, by }) => ({ at: Math.min(at, now), by }))
    .filter((rise) => now - rise.at < ERROR_WINDOW);
  const by = risen(before.last, seen);
  const newest = recent.at(-1);
  if (total(by) === 0) return { last: seen, rises: recent };
  if (newest && now - newest.at < SAME) {
    return { last: seen, rises: [...recent.slice(0, -1), { at: newest.at, by: sum(newest.by, by) }] };
  }
  return { last: seen, rises: [...recent, { at: now, by }] };
}

/** Whether the function's errors rise; `memory` is null for a first reading, which cannot tell. */
export function errorFree({ aer }: Pick<PciFunction, "aer">, memory: ErrorMemory | null): Said {
  const type = "ErrorFree";
  if (aer === null) {
    const message = "the kernel counts no PCI Express errors (AER) of this function";
    return { type, status: "unknown", reason: "NotObservable", message, action: null };
  }
  const recent = (memory?.rises ?? []).reduce((all, { by }) => sum(all, by), NONE);
  const worst = SEVERITIES.find((severity) => Object.keys(recent[severity]).length > 0);
  if (worst) {
    const message = `${described(recent)} in the last ${ERROR_WINDOW / 60_000} minutes`;
    return { type, status: "false", reason: REASONS[worst], message, action: ACTION };
  }
  if (total(aer) === 0) {
    return {
      type,
      status: "true",
      reason: "NoErrors",
      message: "no error was counted since it was added",
      action: null,
    };
  }
  if (memory === null) {
    const message = `${described(aer)} since it was added; whether they rise takes a second reading`;
    return { type, status: "unknown", reason: "FirstReading", message, action: null };
  }
  const message = `the counters do not rise: ${described(aer)} since it was added`;
  return { type, status: "true", reason: "NoErrors", message, action: null };
}

const NONE: AerCounters = { correctable: {}, nonfatal: {}, fatal: {} };

const each = (change: (severity: keyof AerCounters) => Record<string, number>): AerCounters => ({
  correctable: change("correctable"),
  nonfatal: change("nonfatal"),
  fatal: change("fatal"),
});

/** By how much each kind rose. Less than before is a counter that began anew: all of it is new. */
function risen(before: AerCounters, seen: AerCounters): AerCounters {
  return each((severity) =>
    Object.fromEntries(
      Object.entries(seen[severity])
        .map(([kind, count]) => [kind, count, of(before[severity], kind)] as const)
        .map(([kind, count, old]) => [kind, count < old ? count : count - old] as const)
        .filter(([, more]) => more > 0),
    ),
  );
}

function sum(a: AerCounters, b: AerCounters): AerCounters {
  return each((severity) => {
    const all = { ...a[severity] };
    for (const [kind, count] of Object.entries(b[severity])) all[kind] = of(all, kind) + count;
    return all;
  });
}

/** A kind's name is the kernel's, or of whoever wrote the tree: "constructor" is in every object. */
const of = (counts: Record<string, number>, kind: string): number =>
  Object.hasOwn(counts, kind) ? (counts[kind] ?? 0) : 0;

const total = (counters: AerCounters) =>
  SEVERITIES.flatMap((severity) => Object.values(counters[severity])).reduce((all, count) => all + count, 0);

/** `2 fatal (DLP 2); 13 correctable (RxErr 10, BadTLP 3)` */
function described(counters: AerCounters): string {
  return SEVERITIES.flatMap((severity) => {
    const kinds = Object.entries(counters[severity]);
    if (kinds.length === 0) return [];
    const count = kinds.reduce((all, [, more]) => all + more, 0);
    return [`${count} ${severity} (${kinds.map(([kind, more]) => `${kind} ${more}`).join(", ")})`];
  }).join("; ");
}
