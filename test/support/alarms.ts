import { expect } from "bun:test";
import { Alarm } from "../../src/contract/fleet/alarm.ts";
import type { Hardware, Source } from "../../src/contract/hardware.ts";
import type { Node } from "../../src/contract/node.ts";
import { type Database, openDatabase } from "../../src/db/database.ts";
import { appendChanges, changesSince, reserveRevisions, toChange } from "../../src/db/queries/changes.ts";
import { hardwareRow, saveHardware } from "../../src/db/queries/hardware.ts";
import { nodeRow, saveNode } from "../../src/db/queries/nodes.ts";
import { replaceSources, sourceRow } from "../../src/db/queries/sources.ts";
import { createAlarms } from "../../src/tiers/conductor/alarms/alarms.ts";
import { createEvaluator } from "../../src/tiers/conductor/alarms/evaluator.ts";
import { kindsOf } from "../../src/tiers/conductor/alarms/kinds.ts";
import type { AlarmEvent } from "../../src/tiers/conductor/delivery/event.ts";
import type { TestDatabase } from "./databases.ts";
import { CARD } from "./tiers.ts";
import { virtualWorld } from "./world.ts";

export const T = "2026-01-01T00:00:00.000Z";
export const HOLD_MS = 30_000;
export const id = (n: number) => `00000000-0000-4000-8000-${String(n).padStart(12, "0")}`;

export const node = (n: number, more: Partial<Node> = {}): Node => ({
  id: id(n),
  name: `n${n}`,
  state: "LIVE",
  labels: {},
  endpoint: null,
  last_seen: T,
  api: { min: "1.0", max: "1.0" },
  generation: null,
  boot_id: null,
  first_seen: T,
  ...more,
});

export const source = (more: Partial<Source> = {}): Source => ({
  ...{ name: "crypto", type: "CRYPTO", endpoint: null, status: "OK", observed_at: T, count: 1, error: null },
  ...more,
});

type Condition = Hardware["acc_status"]["conditions"][number];
export const condition = (type: string, status: Condition["status"], reason = "Any"): Condition => ({
  ...{ type, status, reason, message: `${type} is ${status}`, action: null, since: T },
});

export const device = (n: number, freshness: Hardware["freshness"], ...conditions: Condition[]): Hardware =>
  ({
    ...CARD,
    ...{ name: "Card", source: "crypto", node: { id: id(n), name: `n${n}` }, first_seen: T, freshness },
    ...{ serials: [], attributes: {}, pci: null },
    acc_status: { setup_required: false, reboot_required: false, ready: conditions.length === 0, conditions },
  }) as Hardware; // of what an alarm reads all is here

/** A database whose fleet is what a test says, and alarms that look at it while a virtual clock passes. */
export async function alarmed(open: () => Promise<TestDatabase>, targets: string[] = []) {
  const database = await open();
  const db: Database = await openDatabase(database.url);
  const clock = virtualWorld();
  const kinds = kindsOf({ holdMs: HOLD_MS });
  const evaluator = () => createEvaluator({ db, world: clock.world, kinds, targets });
  let running = evaluator();
  running.start();
  const alarms = createAlarms({ db, world: clock.world });
  const list = async (filter: Parameters<typeof alarms.list>[0] = {}) => {
    const { alarms: found } = await alarms.list(filter, { limit: 1000 });
    for (const one of found) Alarm.parse(one);
    return found;
  };
  /** Time passes in steps, each waiting for the I/O that it set off, which is real. */
  const pass = async (ms: number) => {
    for (let passed = 0; passed < ms; passed += 500) {
      await clock.advance(Math.min(500, ms - passed));
      await db.write(async () => {});
      await clock.settle();
    }
  };
  return {
    ...{ db, clock, alarms, list, pass },
    /** These nodes are so from now on, in one transaction. */
    say: (...said: { node: Node; sources?: Source[]; devices?: Hardware[] }[]) =>
      db.write(async (tx) => {
        const first = await reserveRevisions(tx, said.length);
        for (const [index, { node, sources, devices }] of said.entries()) {
          await saveNode(tx, nodeRow(node, first + index));
          if (sources)
            await replaceSources(
              tx,
              node.id,
              sources.map((one) => sourceRow(node.id, one)),
            );
          if (devices)
            await saveHardware(
              tx,
              devices.map((one) => hardwareRow(one, first + index)),
            );
        }
        await appendChanges(
          tx,
          said.map(({ node }, index) => ({
            ...{ revision: first + index, time: T, kind: "state", node_id: node.id, node_name: node.name },
            ...{ source: null, uuid: null, state: node.state, body: null },
          })),
        );
      }),
    /** Waits, while the clock goes on a little, until the alarms are so: [kind, state, node], in any order. */
    async becomes(wanted: [kind: string, state: string, node: string | null][], filter = {}) {
      const seen = async () =>
        (await list(filter)).map(({ kind, state, node }) => `${kind} ${state} ${node?.name ?? null}`).sort();
      const expected = wanted.map((one) => one.map(String).join(" ")).sort();
      const end = performance.now() + 10_000;
      while (!Bun.deepEquals(await seen(), expected) && performance.now() < end) {
        // A database that is slow must not cost the hold: I/O gets real time, too.
        await Bun.sleep(20);
        await pass(250);
      }
      expect(await seen()).toEqual(expected);
      return list(filter);
    },
    feed: async () => (await changesSince(db.read, 0, 10_000)).map(toChange).flatMap(({ alarm }) => alarm ?? []),
    events: async () =>
      (await db.read.query((q, { deliveries }) => q.select().from(deliveries).orderBy(deliveries.id))).map(
        ({ event }) => JSON.parse(event) as AlarmEvent,
      ),
    /** As a conductor that stops and starts again, a while later. */
    async restart() {
      await running.stop();
      running = evaluator();
      running.start();
    },
    evaluator,
    stop: () => running.stop(),
    async close() {
      await running.stop();
      await db.close();
      await database.close();
    },
  };
}
