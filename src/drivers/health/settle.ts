import type { Condition } from "../../contract/condition.ts";
import type { Said } from "./said.ts";

/** How many readings in a row it takes until a condition becomes false, and until it stops being so. */
export interface Threshold {
  fire: number;
  clear: number;
}

const THRESHOLDS: Readonly<Record<string, Threshold>> = {
  // All ones, or a read that never returns, is no accident; a card on its way back answers now and then.
  Responding: { fire: 1, clear: 3 },
  // A link that trains anew is narrow for a moment.
  LinkFull: { fire: 2, clear: 2 },
};
const AT_ONCE: Threshold = { fire: 1, clear: 1 };

/** Whether one good reading is not enough for a condition of this type to recover. */
export const takesEvidence = (type: string): boolean => (THRESHOLDS[type] ?? AT_ONCE).clear > 1;

/** What is remembered of a condition. */
export interface Settled {
  status: Condition["status"];
  reason: string;
  /** Kept for a status that outlasts the readings it is from. */
  action: string | null;
  since: string;
  /** Readings in a row that say otherwise. */
  against: number;
}

export interface Settling {
  memory: Settled;
  shown: Condition;
  /** The next reading can decide. */
  waits: boolean;
}

/** Reasons for which a reading says nothing of the device: it was not asked. */
const NOT_ASKED: ReadonlySet<string> = new Set(["Asleep", "NotObservable"]);

/**
 * One more reading of a condition. A status changes when enough readings in a row say so; one that was false is not
 * forgotten because a device could not be asked. What is seen first is taken as it is.
 */
export function settle(before: Settled | undefined, said: Said, now: string): Settling {
  const { status, reason, action } = said;
  const take = (): Settling => {
    const since = before?.status === status ? before.since : now;
    return { memory: { status, reason, action, since, against: 0 }, shown: { ...said, since }, waits: false };
  };
  const keep = (old: Settled, against: number, message: string, waits: boolean): Settling => ({
    memory: { ...old, against },
    shown: { type: said.type, status: old.status, reason: old.reason, message, action: old.action, since: old.since },
    waits,
  });
  if (!before || before.status === status) return take();
  const bad = before.status === "false";
  if (NOT_ASKED.has(reason)) {
    const message = `${before.reason} when it was last asked; now: ${said.message}`;
    return bad ? keep(before, before.against, message, false) : take();
  }
  const { fire, clear } = THRESHOLDS[said.type] ?? AT_ONCE;
  // From "unknown" to "true" nothing has to be confirmed.
  const needed = bad ? clear : before.status === "unknown" && status === "true" ? 1 : fire;
  const against = before.against + 1;
  if (against >= needed) return take();
  const which = bad ? "good readings" : "readings that say so";
  return keep(before, against, `${said.message}${bad ? " again" : ""}, ${against} of ${needed} ${which}`, true);
}
