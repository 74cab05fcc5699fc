import type { Intent } from "./apply.ts";
import type { Holds } from "./holds.ts";
import type { Kinds } from "./kinds.ts";
import type { Problem } from "./problems.ts";
import { isOutdated, type StoredAlarm } from "./rows.ts";

/** What the alarms of one node are to become: its troubles as they are, its open alarms as they are stored, and how long. */
export function decide(of: {
  node: string;
  /** False: it left, or is forgotten, and nothing comes back. */
  here: boolean;
  /** Alarms that end at once, as nothing comes back of what they are about. */
  over?: { has(fingerprint: string): boolean };
  problems: Map<string, Problem>;
  rows: Map<string, StoredAlarm>;
  holds: Holds;
  kinds: Kinds;
}): Intent[] {
  const { node, here, over, problems, rows, holds, kinds } = of;
  const known = new Set([...problems.keys(), ...rows.keys(), ...holds.ofNode(node)]);
  return [...known].flatMap((fingerprint): Intent[] => {
    const problem = problems.get(fingerprint);
    const row = rows.get(fingerprint);
    const to = fate(problem, row);
    return to === null ? [] : [{ fingerprint, node, to }];

    function fate(problem: Problem | undefined, row: StoredAlarm | undefined): Intent["to"] | null {
      if (row?.state === "firing") {
        const ends = !here || over?.has(fingerprint);
        if (!problem) return held(false, ends ? 0 : kinds[row.kind as Problem["kind"]].clearMs) ? "resolved" : null;
        holds.forget(fingerprint);
        return isOutdated(row, problem, kinds) ? "updated" : null;
      }
      if (!problem?.opens) {
        holds.forget(fingerprint);
        return row ? "dropped" : null;
      }
      if (held(true, kinds[problem.kind].holdMs)) return "firing";
      return row ? null : "pending";
    }

    /** Whether it has been so for long enough. That is forgotten once it is written, which may fail. */
    function held(present: boolean, forMs: number): boolean {
      return forMs === 0 || holds.since(fingerprint, { node, present, forMs }) >= forMs;
    }
  });
}
