import { expect, test } from "bun:test";
import type { Database } from "../../../../src/db/database.ts";
import { createEvaluator } from "../../../../src/tiers/conductor/alarms/evaluator.ts";
import { kindsOf } from "../../../../src/tiers/conductor/alarms/kinds.ts";
import { alarmed, id, node } from "../../../support/alarms.ts";
import { databases, type TestDatabase } from "../../../support/databases.ts";

const sqlite = databases.slice(0, 1);

/** An evaluator alone, to which each statement that reads nodes takes so many milliseconds. */
async function slow(open: () => Promise<TestDatabase>, ms: number) {
  const fleet = await alarmed(open);
  const { clock } = fleet;
  let busy = 0;
  const asked = new Set<string>();
  const { read } = fleet.db;
  const run: typeof read.run = (text, params) => {
    busy += ms;
    if (/from "nodes" where "nodes"."id" in/.test(text)) for (const one of params) asked.add(String(one));
    return read.run(text, params);
  };
  const db: Database = { ...fleet.db, read: { ...read, run } };
  const monotonic = () => clock.world.monotonic() + busy;
  const evaluator = createEvaluator({ db, world: { ...clock.world, monotonic }, kinds: kindsOf({}), targets: [] });
  await fleet.stop();
  evaluator.start();
  await clock.advance(2_000);
  return {
    ...fleet,
    /** Nodes that were looked at. */
    asked,
    async passUntil(done: () => boolean | Promise<boolean>) {
      for (let step = 0; step < 4_000 && !(await done()); step += 1) await clock.advance(5);
      expect(await done()).toBe(true);
    },
    /** From now on; the result tells which part of the time it took. */
    measure() {
      const [before, at] = [busy, monotonic()];
      return () => (busy - before) / (monotonic() - at);
    },
    async close() {
      await evaluator.stop();
      await fleet.close();
    },
  };
}

test.each(sqlite)(
  "a look at thousands of nodes leaves others four fifths of the time, and who is lost meanwhile does not wait for it",
  async ({ open }) => {
    const fleet = await slow(open, 5);
    const { asked, passUntil } = fleet;
    try {
      await fleet.say(...Array.from({ length: 6_000 }, (_, n) => ({ node: node(n + 1) })));
      await passUntil(() => asked.size >= 1_000);
      const share = fleet.measure();
      await fleet.say({ node: node(7_000, { state: "LOST" }) });
      await passUntil(async () => (await fleet.list()).length === 1);
      expect(asked.has(id(7_000))).toBe(true);
      expect(asked.size).toBeLessThan(6_000);
      await passUntil(() => asked.size === 6_001);
      expect(share()).toBeLessThan(0.21);
    } finally {
      await fleet.close();
    }
  },
);

test.each(sqlite)("a node that changes all the time, and takes long to look at, costs no more", async ({ open }) => {
  const fleet = await slow(open, 30);
  try {
    const share = fleet.measure();
    for (let n = 0; n < 100; n += 1) {
      await fleet.say({ node: node(1) });
      await fleet.clock.advance(100);
    }
    expect(fleet.asked.has(id(1))).toBe(true);
    expect(share()).toBeLessThan(0.21);
  } finally {
    await fleet.close();
  }
});
