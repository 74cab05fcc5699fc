import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import type { PeerAnswer } from "../../../../src/client/peer.ts";
import { type Database, openDatabase } from "../../../../src/db/database.ts";
import { addNode, type NodeRow, nodeRow } from "../../../../src/db/queries/nodes.ts";
import type { Fleet } from "../../../../src/tiers/conductor/fleet.ts";
import { createExchange, type Exchange } from "../../../../src/tiers/conductor/owners/exchange.ts";
import { databases, type TestDatabase } from "../../../support/databases.ts";
import { quiet, until } from "../../../support/tiers.ts";

const NODE = "6f1a3f0e-9f57-4c8e-8f5e-0d0c1a2b3c4d";
const SUCCEEDED = { found: 1, status: "SUCCEEDED", error: null } as const;
const ANSWER: PeerAnswer = { status: 200, body: { said: "it" }, size: 2 };
const TELEMETRY = { path: "/telemetry", deadlineMs: 20_000, maxBytes: 1_000 };

/** What the node is asked and answers, where one of the two has it. */
interface Asked {
  request: () => Promise<PeerAnswer>;
  discover: () => Promise<typeof SUCCEEDED>;
}

/** A conductor, as far as its exchange needs one. */
function exchangeOf(id: string, db: Database, { request, discover }: Asked): Exchange {
  const exchange = createExchange(
    {
      ...{ db, world: quiet(), members: new Map(), stopped: false },
      limits: { discoveryMs: 20_000, deadlineMs: 1_000 },
      presence: { id, shared: true, isThere: () => true },
    } as unknown as Fleet,
    { own: () => ({ conflict: null, peer: { endpoint: "x", request } }) as never, discover },
  );
  exchange.start();
  return exchange;
}

const isList = (text: string) => /from "requests" where .*"response" is null\) order by/.test(text);

describe.each(databases)("what conductors ask each other on $name", ({ open }) => {
  let database: TestDatabase;
  let db: Database;
  let exchanges: Exchange[];
  let calls: number;
  let gate: PromiseWithResolvers<void>;
  /** What the node does, which waits for `gate`. */
  const slowly = async () => {
    calls += 1;
    await gate.promise;
  };
  const nothing: Asked = {
    request: () => Promise.reject(new Error("it has no node")),
    discover: () => Promise.reject(new Error("it has no node")),
  };
  const make = (id: string, its: Database = db, asked: Partial<Asked> = {}) => {
    const made = exchangeOf(id, its, { ...nothing, ...asked });
    exchanges.push(made);
    return made;
  };

  beforeEach(async () => {
    exchanges = [];
    calls = 0;
    gate = Promise.withResolvers();
    database = await open();
    db = await openDatabase(database.url);
    const row: NodeRow = {
      ...nodeRow(
        {
          ...{ id: NODE, name: "n1", state: "LIVE", labels: {}, endpoint: "127.0.0.1:9", last_seen: null, api: null },
          ...{ generation: null, boot_id: null, first_seen: "2026-01-01T00:00:00Z" },
        },
        1,
      ),
      ...{ owner: "b", renewals: 0 },
    };
    await db.write((tx) => addNode(tx, row));
  });
  afterEach(async () => {
    for (const one of exchanges) one.stop();
    await db.close();
    await database.close();
  });

  test("is done once, though a look from before its answer comes after it", async () => {
    const held = Promise.withResolvers<void>();
    let looks = 0;
    let holding = 0;
    const run: Database["read"]["run"] = async (text, params) => {
      const rows = await db.read.run(text, params);
      if (!isList(text)) return rows;
      looks += 1;
      if (calls === 1 && rows.length === 1) {
        holding += 1;
        await held.promise;
      }
      return rows;
    };
    make("b", { ...db, read: { ...db.read, run } }, { request: () => slowly().then(() => ANSWER) });
    const asked = make("a").peer(NODE).request(TELEMETRY);
    await until("a look during the work", async () => holding > 0);
    gate.resolve();
    expect(await asked).toEqual(ANSWER);
    const before = looks;
    held.resolve();
    await until("later looks", async () => looks > before + 1);
    expect(calls).toBe(1);
  });

  test("is done once, though its answer could not be stored at first", async () => {
    let failures = 0;
    const failing: Database = {
      ...db,
      write: (work) => {
        if (calls === 0 || failures > 2) return db.write(work);
        failures += 1;
        return Promise.reject(new Error("the database does not answer"));
      },
    };
    make("b", failing, { request: () => slowly().then(() => ANSWER) });
    gate.resolve();
    expect(await make("a").peer(NODE).request(TELEMETRY)).toEqual(ANSWER);
    expect([calls, failures]).toEqual([1, 3]);
  });

  test("is not begun once nobody waits for it any more", async () => {
    let begun = 0;
    make("b", db, {
      async request() {
        begun += 1;
        await slowly();
        return ANSWER;
      },
    });
    const asker = make("a");
    const asked = Array.from({ length: 65 }, () => asker.peer(NODE).request({ ...TELEMETRY, deadlineMs: 1_500 }));
    for (const one of await Promise.allSettled(asked)) expect(one).toMatchObject({ reason: { code: "timeout" } });
    gate.resolve();
    expect(await asker.peer(NODE).request(TELEMETRY)).toEqual(ANSWER);
    expect(begun).toBe(65);
  });

  test("does not wait behind a fleet's discoveries, however many are asked and however slow they are", async () => {
    make("b", db, { request: async () => ANSWER, discover: () => slowly().then(() => SUCCEEDED) });
    const asker = make("a");
    const discoveries = Promise.all(Array.from({ length: 300 }, () => asker.discover(NODE)));
    await until("all discoveries under way", async () => calls === 300);
    expect(await asker.peer(NODE).request(TELEMETRY)).toEqual(ANSWER);
    gate.resolve();
    expect(await discoveries).toHaveLength(300);
  });

  test("is looked for with pauses, however often this conductor commits", async () => {
    let looks = 0;
    const wakes = new Set<() => void>();
    const run: Database["read"]["run"] = (text, params) => {
      if (isList(text)) looks += 1;
      return db.read.run(text, params);
    };
    const watch: Database["watch"] = (wake) => {
      wakes.add(wake);
      return () => void wakes.delete(wake);
    };
    make("b", { ...db, watch, read: { ...db.read, run } });
    const began = performance.now();
    for (let commit = 0; commit < 200; commit += 1) {
      for (const wake of wakes) wake();
      await Bun.sleep(1);
    }
    // One at the beginning, one after each pause of 25 ms, and one of the timer; 200 would be one for each commit.
    expect(looks).toBeLessThanOrEqual((performance.now() - began) / 25 + 3);
  });

  test("an answer is read once, however long its request stays behind it", async () => {
    const held = Promise.withResolvers<void>();
    let bodies = 0;
    let looks = 0;
    let asking = true;
    const lagging: Database = {
      ...db,
      write: async (work) => {
        if (!asking) await held.promise;
        asking = false;
        return db.write(work);
      },
      read: {
        ...db.read,
        run: (text, params) => {
          if (/"response"(,| from)/.test(text)) bodies += 1;
          if (isList(text)) looks += 1;
          return db.read.run(text, params);
        },
      },
    };
    make("b", db, { request: async () => ANSWER });
    const asked = make("a", lagging).peer(NODE).request(TELEMETRY);
    await until("the answer", async () => bodies > 0);
    const before = looks;
    await until("later looks", async () => looks > before + 3);
    held.resolve();
    expect(await asked).toEqual(ANSWER);
    expect(bodies).toBe(1);
  });
});
