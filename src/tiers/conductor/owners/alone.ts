import type { Database } from "../../../db/database.ts";
import { allConductors } from "../../../db/queries/fleet/owners.ts";
import { sleep, type World } from "../../../world.ts";

const LOOK_MS = 250;
/** Beyond a third of its lease, within which one that is there shows itself. */
const SLACK_MS = 1_000;

interface Looking {
  db: Database;
  world: Pick<World, "monotonic" | "timer">;
}

/**
 * Throws when another conductor serves this database. For SQLite: several processes that write to one file get in each
 * other's way, and no other host can see it.
 */
export async function expectAlone(looking: Looking, own: string): Promise<void> {
  const other = await servingConductor(looking, own);
  if (other === null) return;
  throw new Error(
    `expected an SQLite file of its own, found ${other} serving it: stop that one, or use PostgreSQL, which several conductors may share`,
  );
}

/**
 * Another conductor that serves this database, as a person knows it; null: none. One that was killed takes the time to see
 * that it is silent, one that has stopped takes none.
 */
export async function servingConductor({ db, world }: Looking, own: string | null): Promise<string | null> {
  const others = async () => (await allConductors(db.read)).filter(({ id, leaving }) => id !== own && !leaving);
  const before = new Map((await others()).map((row) => [row.id, row]));
  const longest = Math.max(...[...before.values()].map(({ ttl_ms }) => ttl_ms / 3 + SLACK_MS));
  const until = world.monotonic() + longest;
  while (before.size > 0 && world.monotonic() < until) {
    await sleep(world, LOOK_MS);
    for (const { id, name, endpoint, session, renewals } of await others()) {
      const known = before.get(id);
      if (known?.session === session && known.renewals === renewals) continue;
      return `conductor ${name}${endpoint === null ? "" : ` at ${endpoint}`}`;
    }
  }
  return null;
}
