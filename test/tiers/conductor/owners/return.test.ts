import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import type { Hello } from "../../../../src/contract/hello.ts";
import { type Database, openDatabase } from "../../../../src/db/database.ts";
import { type Conductor, createConductorTier } from "../../../../src/tiers/conductor/conductor.ts";
import { alone, VISITOR } from "../../../support/callers.ts";
import { databases } from "../../../support/databases.ts";
import { virtualWorld } from "../../../support/world.ts";

const NODE = { id: "6f1a3f0e-9f57-4c8e-8f5e-0d0c1a2b3c4d", name: "n1" };
const HELLO: Hello = {
  ...{ status: "READY", endpoint: "127.0.0.1:9", node: NODE, generation: "g1" },
  api: { min: "1.0", max: "1.0" },
};
const LEASE = 10;

describe.each(databases)("a node that was LOST here and comes back at another conductor, on $name", ({ open }) => {
  let database: Awaited<ReturnType<typeof open>>;
  let db: Database;
  let clock: ReturnType<typeof virtualWorld>;
  let here: Conductor;
  let there: Conductor;

  const conductor = async (id: string) => {
    const { world } = clock;
    const one = await createConductorTier({ ...alone(), db, world, leaseSeconds: LEASE, self: { id, name: id } });
    await one.start();
    return one;
  };
  /** Real I/O does not wait for the virtual clock: each second is over when what it began is written. */
  const pass = async (seconds: number) => {
    for (let passed = 0; passed < seconds; passed += 1) {
      await clock.advance(1000);
      await db.write(async () => {});
      await clock.settle();
    }
  };
  const seen = async () => (await here.nodes({}, { limit: 10 })).nodes[0];
  const passUntil = async (what: () => Promise<boolean>) => {
    for (let second = 0; !(await what()); second += 1) {
      if (second > 20 * LEASE) throw new Error("waited in vain");
      await pass(1);
    }
  };

  beforeEach(async () => {
    clock = virtualWorld(async () => Response.json({ hardware: [], sources: [], generation: "g1" }));
    database = await open();
    db = await openDatabase(database.url);
    here = await conductor("here");
    there = await conductor("there");
    await pass(2);
    await here.hello(HELLO, VISITOR);
    await here.settled();
    await passUntil(async () => (await seen())?.state === "LOST");
    await pass(3 * LEASE);
    await there.hello(HELLO, VISITOR);
    await there.settled();
  });
  afterEach(async () => {
    await here.stop();
    await there.stop();
    await db.close();
    await database.close();
  });

  test("has a whole lease when the other one leaves", async () => {
    await there.stop();
    await pass(LEASE / 2);
    expect((await seen())?.state).toBe("LIVE");
  });

  test("is known to be the other one's", async () => {
    const heard = clock.world.now().toISOString();
    expect((await seen())?.last_seen).not.toBe(heard);
    await passUntil(async () => (await seen())?.last_seen === heard);
  });
});
