import { mkdir } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import type { Command } from "commander";
import { Exit, reasonOf } from "../exit.ts";
import { acquireLock } from "../host/lock.ts";
import { inState } from "../host/node-id.ts";
import { print } from "../output.ts";
import { DATABASE_OPTIONS, type DatabaseFlags, databaseOf, quoted } from "./backup.ts";

export const examples = `
Examples:
  sinew restore /backup/fleet.sqlite       with the conductor stopped; what was there is kept beside it
  sinew restore --db postgres://...        after pg_restore, with all conductors stopped: gives the new epoch

Whoever follows the feed is told to begin anew (410 epoch). Exit status: 0 done, 1 it could not be, 2 bad usage.`;

export function define(command: Command): void {
  command.argument("[FILE]", "what `sinew backup` wrote");
  for (const [flag, help] of DATABASE_OPTIONS) command.option(flag, help);
  command.action(async (file: string | undefined, flags: DatabaseFlags) => {
    const database = databaseOf(flags);
    if ("url" in database) return ofPostgres(file, database);
    if (file === undefined) throw new Exit(2, "expected the FILE that `sinew backup` wrote");
    const { state, sqlite } = database;
    await inState(state, () => mkdir(state, { recursive: true, mode: 0o700 }));
    const lock = await inState(state, () => acquireLock(join(state, "conductor.lock")));
    if ("heldBy" in lock)
      throw new Exit(1, `a conductor is running in ${state} (pid ${lock.heldBy ?? "unknown"}): stop it first`);
    try {
      const { restoreSqlite } = await import("../../db/sqlite/backup.ts");
      await mkdir(dirname(sqlite), { recursive: true });
      const { aside } = await restoreSqlite(resolve(file), sqlite, new Date()).catch((error) => {
        throw new Exit(1, `${file} was not restored, and nothing was changed: ${reasonOf(error)}`);
      });
      const before = aside === null ? "" : `; what was there is kept as ${aside}`;
      await print(`${sqlite} is what ${file} was, under a new epoch${before}\n`);
    } finally {
      lock.release();
    }
  });
}

async function ofPostgres(file: string | undefined, { url, shown }: { url: string; shown: string }): Promise<void> {
  if (file !== undefined) {
    const load = `pg_restore --clean --if-exists --single-transaction --dbname=${quoted(shown)} ${quoted(file)}`;
    throw new Exit(
      1,
      `a PostgreSQL database is restored by its own program, with all conductors stopped; then give it a new epoch:\n  ${load}\n  sinew restore --db ${quoted(shown)}`,
    );
  }
  const { openDatabase } = await import("../../db/database.ts");
  const { setEpoch } = await import("../../db/queries/changes.ts");
  const db = await openDatabase(url).catch((error) => {
    throw new Exit(1, reasonOf(error));
  });
  const { realWorld } = await import("../../world.ts");
  const { servingConductor } = await import("../../tiers/conductor/owners/alone.ts");
  try {
    // One that runs would go on under the old epoch, and so would those who follow it.
    const serving = await servingConductor({ db, world: realWorld(() => {}) }, null);
    if (serving !== null) throw new Exit(1, `${serving} serves this database: stop all its conductors first`);
    await db.write((tx) => setEpoch(tx, crypto.randomUUID()));
  } finally {
    await db.close();
  }
  await print("the database has a new epoch: start its conductors\n");
}
