import { type NodeRow, takeNodes } from "../../../db/queries/fleet/owners.ts";
import type { Fleet, Tracked } from "../fleet.ts";

/** So many nodes become this conductor's in one transaction. */
const AT_ONCE = 500;

/**
 * Makes nodes this conductor's, many at once: when another one has died its agents all come within seconds, and each would
 * be a transaction. What is asked for while one runs goes into the next.
 */
export function createTakes(
  fleet: Pick<Fleet, "db" | "presence" | "members">,
  learn: (tracked: Tracked, row: NodeRow) => void,
): { take(tracked: Tracked): Promise<void> } {
  let waiting = new Map<string, Tracked>();
  let next: Promise<void> | null = null;
  let last: Promise<void> = Promise.resolve();

  async function run() {
    const batch = [...waiting.values()];
    waiting = new Map();
    next = null;
    for (let start = 0; start < batch.length; start += AT_ONCE) {
      const some = batch.slice(start, start + AT_ONCE);
      const ids = some.map(({ row }) => row.id);
      const rows = await fleet.db.write((tx) => takeNodes(tx, ids, fleet.presence.id));
      const found = new Map(rows.map((row) => [row.id, row]));
      for (const tracked of some) {
        const row = found.get(tracked.row.id);
        if (row) learn(tracked, row);
        else tracked.stored = false;
      }
    }
  }

  return {
    take(tracked) {
      waiting.set(tracked.row.id, tracked);
      if (next === null) {
        next = last.then(run);
        last = next.catch(() => {});
      }
      return next;
    },
  };
}
