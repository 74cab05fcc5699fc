import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import type { Hello } from "../../../src/contract/hello.ts";
import { openDatabase } from "../../../src/db/database.ts";
import { type Conductor, createConductorTier } from "../../../src/tiers/conductor/conductor.ts";
import { alone, VISITOR } from "../../support/callers.ts";
import { databases } from "../../support/databases.ts";
import { virtualWorld } from "../../support/world.ts";

const TTL = 12;
const NODE = { id: "6f1a3f0e-9f57-4c8e-8f5e-0d0c1a2b3c4d", name: "n1" };
const DEVICE = { uuid: "8e45a2ea-5364-4b0d-a252-bf8becaa606e", source: "crypto" };
const OK = { name: "crypto", type: "CRYPTO", endpoint: null, status: "OK", observed_at: null, count: 1, error: null };

const hello = (more: Partial<Hello> = {}): Hello => ({
  status: "READY",
  endpoint: "127.0.0.1:9",
  node: NODE,
  api: { min: "1.0", max: "1.0" },
  generation: "g1",
  ...more,
});

describe.each(databases)("liveness on $name", ({ open }) => {
  let database: Awaited<ReturnType<typeof open>>;
  let db: Awaited<ReturnType<typeof openDatabase>>;
  let conductor: Conductor;
  let clock: ReturnType<typeof virtualWorld>;
  let answers = true;

  const start = async () => {
    conductor = await createConductorTier({ ...alone(), db, world: clock.world, leaseSeconds: TTL });
    await conductor.start();
  };
  const state = async () => (await conductor.nodes({}, { limit: 10 })).nodes[0]?.state;
  const freshness = async () => JSON.parse((await conductor.hardware({}, { limit: 10 })).text).hardware[0]?.freshness;
  /** Time passes in steps, each waiting for the pulls it set off: their I/O is real. */
  const pass = async (seconds: number) => {
    for (let passed = 0; passed < seconds; passed += 2) {
      await clock.advance(2000);
      await conductor.settled();
      // And for the conductor's own tick, which writes leases and states.
      await db.write(async () => {});
      await clock.settle();
    }
  };
  /**
   * Real I/O (a database server) does not wait for the virtual clock; `passing`: the clock goes on meanwhile, for what
   * needs more silence than was counted while the database was slow.
   */
  const becomes = async (read: () => Promise<unknown>, value: string, passing = 0) => {
    const end = performance.now() + 20_000;
    while ((await read()) !== value && performance.now() < end) await clock.advance(passing);
    expect(await read()).toBe(value);
  };

  beforeEach(async () => {
    answers = true;
    clock = virtualWorld(async () =>
      answers
        ? Response.json({ hardware: [DEVICE], sources: [OK], generation: "g1" })
        : Promise.reject(new Error("refused")),
    );
    database = await open();
    db = await openDatabase(database.url);
    await start();
  });
  afterEach(async () => {
    await conductor.stop();
    await db.close();
    await database.close();
  });

  test("a node is LATE after one lease of silence, LOST after two, LIVE with its next hello", async () => {
    await conductor.hello(hello(), VISITOR);
    await becomes(state, "LIVE");
    await becomes(freshness, "FRESH");
    await pass(TTL - 2);
    expect(await state()).toBe("LIVE");
    await pass(4);
    // A slow database is no silence of the node's: what passed meanwhile may not have been counted.
    await becomes(state, "LATE", 100);
    expect(await freshness()).toBe("FRESH");
    await pass(TTL);
    await becomes(state, "LOST", 500);
    await becomes(freshness, "STALE");
    const { sources, sources_summary } = JSON.parse((await conductor.hardware({ node: "n1" }, { limit: 10 })).text);
    expect(sources).toMatchObject([{ name: "crypto", status: "STALE", error: { message: "node n1 is LOST" } }]);
    expect(sources_summary).toEqual({ total: 1, ok: 0, stale: 1, never: 0 });
    await conductor.hello(hello(), VISITOR);
    await becomes(state, "LIVE");
    await becomes(freshness, "FRESH");
  });

  test("a hello each third of a lease keeps a node LIVE, and writes nothing to the feed", async () => {
    await conductor.hello(hello(), VISITOR);
    await becomes(freshness, "FRESH");
    const revision = await conductor.revision();
    for (let third = 0; third < 12; third += 1) {
      await pass(TTL / 3);
      await conductor.hello(hello(), VISITOR);
    }
    expect(await state()).toBe("LIVE");
    expect(await conductor.revision()).toBe(revision);
  });

  test("a conductor that was suspended, or started again, gives everyone a fresh lease first", async () => {
    await conductor.hello(hello(), VISITOR);
    await becomes(freshness, "FRESH");
    clock.suspend(100 * TTL * 1000);
    await pass(2);
    expect(await state()).toBe("LIVE");

    await conductor.stop();
    clock.suspend(100 * TTL * 1000);
    await start();
    await pass(TTL - 2);
    expect(await state()).toBe("LIVE");
    await pass(TTL * 2 + 2);
    await becomes(state, "LOST", 500);
  });

  test("a node that says LEAVING is LEFT at once, and silence makes it nothing else", async () => {
    await conductor.hello(hello(), VISITOR);
    await becomes(freshness, "FRESH");
    await conductor.hello(hello({ status: "LEAVING" }), VISITOR);
    expect(await state()).toBe("LEFT");
    expect(await freshness()).toBe("STALE");
    await pass(4 * TTL);
    expect(await state()).toBe("LEFT");
  });

  test("a source was good last when its node was heard last, unless the node does not answer: also once that is gone", async () => {
    const good = async () => {
      const [node] = (await conductor.nodes({}, { limit: 10 })).nodes;
      const { sources } = await conductor.sources({ node: "n1" }, { limit: 10 });
      const { status, observed_at = null } = sources.find(({ name }) => name === "crypto") ?? {};
      return { status, observed_at, last_seen: node?.last_seen ?? null };
    };
    const renew = async (more: Partial<Hello> = {}) => {
      await pass(TTL / 3);
      await conductor.hello(hello(more), VISITOR);
      await pass(2);
    };
    await conductor.hello(hello(), VISITOR);
    await becomes(freshness, "FRESH");
    const first = clock.world.now().toISOString();
    for (let third = 0; third < 12; third += 1) await renew();
    const before = await good();
    expect(before).toEqual({ status: "OK", observed_at: before.last_seen, last_seen: expect.any(String) });
    expect(before.last_seen?.localeCompare(first)).toBe(1);

    // Now it says hello, and does not answer: that it is heard says nothing of its sources.
    answers = false;
    await renew({ generation: "g2" });
    await becomes(freshness, "STALE");
    const failed = (await good()).observed_at;
    for (let third = 0; third < 3; third += 1) await renew({ generation: "g2" });
    expect(await good()).toMatchObject({ status: "OK", observed_at: failed });
    await conductor.hello(hello({ status: "LEAVING" }), VISITOR);
    expect(await good()).toMatchObject({ status: "STALE", observed_at: failed });

    answers = true;
    await conductor.hello(hello(), VISITOR);
    await becomes(freshness, "FRESH");
    await renew();
    await conductor.hello(hello({ status: "LEAVING" }), VISITOR);
    const left = await good();
    expect(left).toEqual({ status: "STALE", observed_at: left.last_seen, last_seen: expect.any(String) });
    expect(left.observed_at?.localeCompare(failed ?? "")).toBe(1);
    await pass(TTL);
    expect(await good()).toEqual(left);
  });

  test("a seed agent says hello once: polled each third of a lease, its good answers renew it", async () => {
    await conductor.hello({ status: "READY", endpoint: "127.0.0.1:9" }, VISITOR);
    await becomes(freshness, "FRESH");
    await pass(5 * TTL);
    expect(await state()).toBe("LIVE");
    answers = false;
    await pass(4 * TTL);
    await becomes(state, "LOST", 500);
    await becomes(freshness, "STALE");
    answers = true;
    await becomes(state, "LIVE", 1000);
    await becomes(freshness, "FRESH");
  });

  test("an agent that speaks none of our versions is INCOMPATIBLE and refused", async () => {
    const stranger = hello({ api: { min: "2.0", max: "2.3" } });
    await expect(conductor.hello(stranger, VISITOR)).rejects.toMatchObject({ code: "api_version" });
    expect(await state()).toBe("INCOMPATIBLE");
    await conductor.hello(hello({ api: { min: "1.0", max: "2.3" } }), VISITOR);
    expect(await state()).toBe("LIVE");
  });

  test("an agent that does not answer while it says hello is LIVE with a failed source", async () => {
    answers = false;
    await conductor.hello(hello(), VISITOR);
    const source = async () => JSON.parse((await conductor.hardware({}, { limit: 10 })).text).sources[0]?.error?.code;
    await becomes(source, "unreachable");
    expect(await state()).toBe("LIVE");
    answers = true;
    await pass(TTL);
    await becomes(freshness, "FRESH");
    expect(await source()).toBeUndefined();
  });

  test("LEAVING and the hello of the next run, heard at once after a pause, leave it LIVE and FRESH (found by simulation)", async () => {
    await conductor.hello(hello({ boot_id: "one" }), VISITOR);
    await becomes(freshness, "FRESH");
    const ready = hello({ boot_id: "two" });
    await Promise.all([
      conductor.hello(hello({ boot_id: "one", status: "LEAVING" }), VISITOR),
      conductor.hello(ready, VISITOR),
      conductor.hello(ready, VISITOR),
    ]);
    await becomes(freshness, "FRESH");
    expect(await state()).toBe("LIVE");
  });

  test("a clock that differs is shown once two hellos in a row say so, stays shown until it agrees, and makes nobody LOST", async () => {
    const clockOf = async () =>
      (await conductor.nodes({}, { limit: 1 })).nodes[0]?.conditions?.find(({ type }) => type === "ClockInSync");
    const say = (skew?: number) => {
      const sent_at = new Date(clock.world.now().getTime() + (skew ?? 0)).toISOString();
      return conductor.hello(hello(skew === undefined ? {} : { sent_at }), VISITOR);
    };
    await say(4_000);
    await becomes(freshness, "FRESH");
    await say(4_000);
    await say(-60_000);
    // One alone may have waited for long: in a socket while this conductor was stopped.
    await say(100);
    await say(60_000);
    expect(await clockOf()).toBeUndefined();
    await say(60_000);
    expect(await clockOf()).toMatchObject({
      status: "false",
      reason: "Ahead",
      message: expect.stringContaining("60.0 s"),
    });
    expect(await state()).toBe("LIVE");
    const revision = await conductor.revision();
    // Neither another skew, nor a hello that says nothing of it, nor one that is nearly right changes what is shown.
    for (const skew of [90_000, undefined, 3_000, -80_000]) await say(skew);
    expect(await conductor.revision()).toBe(revision);
    await say(1_000);
    expect(await clockOf()).toBeUndefined();
    expect(await conductor.revision()).toBe(revision + 1);
  });

  test("the conductor's clock may be set by hours either way: nobody is LATE or LOST for that, nor spared", async () => {
    await conductor.hello(hello(), VISITOR);
    await becomes(freshness, "FRESH");
    const real = clock.world.now;
    for (const hours of [7, -30]) {
      clock.world.now = () => new Date(real().getTime() + hours * 3_600_000);
      await pass(TTL / 2);
      expect(await state()).toBe("LIVE");
      await conductor.hello(hello(), VISITOR);
    }
    await pass(2 * TTL + 4);
    await becomes(state, "LOST", 500);
  });
});
