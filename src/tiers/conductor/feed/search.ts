import type { Database } from "../../../db/database.ts";
import { type ChangeFilter, type ChangeRow, changesBetween } from "../../../db/queries/changes.ts";
import { sleep, type World } from "../../../world.ts";

/** Revisions looked through at once: some 30 ms of a large log on SQLite, as others wait meanwhile. */
const AT_ONCE = 4_000;
/** Looks of one request. */
const LOOKS = 25;

/**
 * Looks for changes of one kind, node or device, from `from` (not in it) towards `to`, at most so many. `at` is how far it
 * came: a search may end before it has found that many, as an index of the whole log would cost every write.
 */
export async function searchChanges(
  db: Database,
  world: Pick<World, "timer">,
  filter: ChangeFilter,
  { from, to, limit }: { from: number; to: number; limit: number },
): Promise<{ rows: ChangeRow[]; at: number }> {
  const order = from <= to ? "asc" : "desc";
  const rows: ChangeRow[] = [];
  let at = from;
  for (let look = 0; look < LOOKS && at !== to; look += 1) {
    // SQLite's answers are there at once: others have to be let in.
    if (look > 0 && db.dialect === "sqlite") await sleep(world, 0);
    const next = order === "asc" ? Math.min(to, at + AT_ONCE) : Math.max(to, at - AT_ONCE);
    // Going down, `from` is the first one that is not in it.
    const [after, upTo] = order === "asc" ? [at, next] : [next - 1, at - 1];
    const found = await changesBetween(db.read, filter, { after, upTo, limit: limit - rows.length, order });
    rows.push(...found);
    if (rows.length === limit) return { rows, at: rows.at(-1)?.revision ?? at };
    at = next;
  }
  return { rows, at };
}
