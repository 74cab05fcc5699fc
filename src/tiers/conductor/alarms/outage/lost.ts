import type { World } from "../../../../world.ts";
import type { Problem } from "../problems.ts";
import type { StoredAlarm } from "../rows.ts";
import { TOGETHER_MS } from "./judge.ts";
import type { Outage } from "./together.ts";

/** A node that is LOST, as one evaluator knows it. */
export interface Lost {
  id: string;
  name: string;
  /** Since when, by the clock that never jumps. */
  at: number;
  /** Of its alarm, and whether it has one of its own. */
  fingerprint: string;
  fired: boolean;
  /** By a window, or as it is out of service: nobody waits for it. */
  silenced: boolean;
  /** Of the outage: it gets no alarm of its own. */
  member: boolean;
}

/** Keeps count of who is lost, and since when as far as this evaluator knows. */
export interface LostNodes {
  /**
   * What a look at a node has shown: its `problem`, undefined where it is not lost, and the alarm of that; `idle`: it is out
   * of service, and LOST as one that is back in service would be no news of. `began`: the revision at which this evaluator did; `outage`: the open one.
   */
  note(
    node: { id: string; revision: number },
    seen: { problem: Problem | undefined; row: StoredAlarm | undefined; silenced: boolean; idle: boolean },
    since: { began: number; outage: Outage | null },
  ): void;
  get(node: string): Lost | undefined;
  nodes(): string[];
  /** Those that were lost within the last minute, but for those that a window silences. */
  recent(): Lost[];
  /** The outage is over: who is lost still is so alone. */
  part(): void;
}

export function createLostNodes({ monotonic }: Pick<World, "monotonic">): LostNodes {
  const lost = new Map<string, Lost>();
  /** Out of service and LOST: that they are in service again is no loss of now. */
  const idling = new Set<string>();
  return {
    note({ id, revision }, { problem, row, silenced, idle }, { began, outage }) {
      if (idle) {
        idling.add(id);
        lost.delete(id);
        return;
      }
      const wasIdle = idling.delete(id);
      if (!problem) {
        lost.delete(id);
        return;
      }
      const { fingerprint, node } = problem;
      const known = lost.get(id);
      const fired = row !== undefined;
      // Of those from before this evaluator began, whoever has no alarm of its own was counted in the outage when it was
      // written last. Such were not lost just now.
      const counted = outage !== null && revision < outage.revision;
      const before = row ? row.revision <= began : counted && revision <= began;
      // One that had an alarm has been folded into the outage, if need be by another evaluator.
      const folded = known?.fired === true && outage !== null;
      const member = !fired && (known ? known.member || folded : before);
      const at = known?.at ?? (before || wasIdle ? Number.NEGATIVE_INFINITY : monotonic());
      lost.set(id, { id, name: node.name, at, fingerprint, fired, silenced, member });
    },
    get: (node) => lost.get(node),
    nodes: () => [...lost.keys()],
    recent() {
      const now = monotonic();
      return [...lost.values()].filter(({ at, silenced }) => !silenced && now - at <= TOGETHER_MS);
    },
    part() {
      for (const one of lost.values()) one.member = false;
    },
  };
}
