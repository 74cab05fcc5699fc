import type { Database } from "../../../db/database.ts";
import { allConductors } from "../../../db/queries/fleet/owners.ts";
import type { World } from "../../../world.ts";

const LOOK_MS = 250;
/** Beyond a third of its lease, within which one that is there shows itself. */
const SLACK_MS = 1_000;

/**
 * Throws when another conductor serves this database. One that was killed takes the time to see that it is silent, one that
 * has stopped takes none. For SQLite: several processes that write to one file get in each other's way, and no other host
 * can see it.
 */
export async function expectAlone(
  { db, world }: { db: Database; world: Pick<World, "monotonic" | "timer"> },
  own: string,
): Promise<void> {
  const others = async () => (await allConductors(db.read)).filter(({ id, leaving }) => id !== own && !leaving);
  const before = new Map((await others()).map((row) => [row.id, row]));
  const longest = Math.max(...[...before.values()].map(({ ttl_ms }) => ttl_ms / 3 + SLACK_MS));
  const until = world.monotonic() + longest;
  while (before.size > 0 && world.monotonic() < until) {
    await new Promise<void>((resume) => world.timer(LOOK_MS, resume));
    for (const { id, name, endpoint, session, renewals } of await others()) {
      const known = before.get(id);
      if (known?.session === session && known.renewals === renewals) continue;
      const where = endpoint === null ? "" : ` at ${endpoint}`;
      throw new Error(
        `expected an SQLite file of its own, found conductor ${name}${where} serving it: stop that one, or use PostgreSQL, which several conductors may share`,
      );
    }
  }
}
