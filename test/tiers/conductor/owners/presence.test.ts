import { expect, test } from "bun:test";
import { type Database, openDatabase } from "../../../../src/db/database.ts";
import { createPresence } from "../../../../src/tiers/conductor/owners/presence.ts";
import { databases } from "../../../support/databases.ts";
import { virtualWorld } from "../../../support/world.ts";

test("a conductor that is alone serves until it has not reached its database for three leases", async () => {
  const database = await databases[0]!.open();
  const db = await openDatabase(database.url);
  const { world, advance } = virtualWorld();
  let away = false;
  const unsteady: Database = {
    ...db,
    write: (work) => (away ? Promise.reject(new Error("the database does not answer")) : db.write(work)),
  };
  const presence = createPresence({
    ...{ db: unsteady, world, ttlMs: 9_000 },
    ...{ id: "a", name: "a", endpoint: null, version: "1" },
    onTaken: async () => {},
    onExpelled: async () => {},
  });
  await presence.start();
  await advance(100_000);
  expect(presence.serves).toBe(true);
  away = true;
  await advance(20_000);
  expect(presence.serves).toBe(true);
  await advance(11_000);
  expect(presence.serves).toBe(false);
  away = false;
  await advance(5_000);
  expect(presence.serves).toBe(true);
  await presence.stop();
  await db.close();
  await database.close();
});
