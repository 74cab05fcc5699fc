import { expect, test } from "bun:test";
import type { Database } from "../../../../src/db/database.ts";
import { createEvaluator } from "../../../../src/tiers/conductor/alarms/evaluator.ts";
import { kindsOf } from "../../../../src/tiers/conductor/alarms/kinds.ts";
import { alarmed, id, node } from "../../../support/alarms.ts";
import { databases } from "../../../support/databases.ts";

const sqlite = databases.slice(0, 1);

test.each(sqlite)(
  "a look at thousands of nodes leaves others four fifths of the time, and who is lost meanwhile does not wait for it",
  async ({ open }) => {
    const fleet = await alarmed(open);
    const { clock } = fleet;
    /** Milliseconds that reading has taken, each statement five; the nodes that were asked for. */
    let busy = 0;
    const asked = new Set<string>();
    const { read } = fleet.db;
    const run: typeof read.run = (text, params) => {
      busy += 5;
      if (/from "nodes" where "nodes"."id" in/.test(text)) for (const one of params) asked.add(String(one));
      return read.run(text, params);
    };
    const db: Database = { ...fleet.db, read: { ...read, run } };
    const monotonic = () => clock.world.monotonic() + busy;
    const evaluator = createEvaluator({ db, world: { ...clock.world, monotonic }, kinds: kindsOf({}), targets: [] });
    const passUntil = async (done: () => boolean | Promise<boolean>) => {
      for (let step = 0; step < 4_000 && !(await done()); step += 1) await clock.advance(5);
      expect(await done()).toBe(true);
    };
    try {
      await fleet.stop();
      evaluator.start();
      await clock.advance(2_000);
      await fleet.say(...Array.from({ length: 6_000 }, (_, n) => ({ node: node(n + 1) })));
      await passUntil(() => asked.size >= 1_000);
      const [before, at] = [busy, monotonic()];
      await fleet.say({ node: node(7_000, { state: "LOST" }) });
      await passUntil(async () => (await fleet.list()).length === 1);
      expect(asked.has(id(7_000))).toBe(true);
      expect(asked.size).toBeLessThan(6_000);
      await passUntil(() => asked.size === 6_001);
      expect(busy - before).toBeGreaterThan(100);
      expect((busy - before) / (monotonic() - at)).toBeLessThan(0.21);
    } finally {
      await evaluator.stop();
      await fleet.close();
    }
  },
);
