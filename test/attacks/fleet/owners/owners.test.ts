import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { VISITOR } from "../../../support/callers.ts";
import { databases, type TestDatabase } from "../../../support/databases.ts";
import { becomes, conductorsAt, DEVICE, hello, type Member, member, nodeAt, pass, report, TTL } from "./support.ts";

describe.each(databases)("two conductors on $name", ({ open }) => {
  let database: TestDatabase;
  let a: Member;
  let b: Member;
  let all: Member[];

  const state = async () => (await nodeAt(a.db))?.state;
  const owner = async () => (await nodeAt(a.db))?.owner;
  const states = async () =>
    JSON.parse(await a.conductor.changes(0, { limit: 1000 }))
      .changes.filter(({ kind }: { kind: string }) => kind === "state")
      .map(({ state }: { state: string }) => state);
  const fresh = async (at: Member) =>
    JSON.parse((await at.conductor.hardware({}, { limit: 9 })).text).hardware[0]?.freshness;
  const say = (at: Member, more = {}) => at.conductor.hello(hello(more), VISITOR);

  beforeEach(async () => {
    database = await open();
    a = await member(database.url, "a");
    b = await member(database.url, "b");
    all = [a, b];
    await pass(all, 1);
  });
  afterEach(async () => {
    for (const { conductor, db } of all) {
      await conductor.stop();
      await db.close();
    }
    await database.close();
  });

  test("the one that first heard a node owns it, and the other answers for it all the same", async () => {
    await say(a);
    await pass(all, 1);
    expect(await owner()).toBe("a");
    expect(await fresh(b)).toBe("FRESH");
    expect(await say(b)).toMatchObject({ status: "REGISTERED", lease: { ttl_seconds: TTL } });
    await pass(all, 1);
    expect(await owner()).toBe("a");
    expect([a.pulls, b.pulls]).toEqual([1, 0]);
  });

  test("hellos that take turns between them, or come to the other one alone, keep a node LIVE and move nothing", async () => {
    await say(a);
    await pass(all, 1);
    const revision = await a.conductor.revision();
    for (let third = 0; third < 12; third += 1) {
      await pass(all, TTL / 3);
      await say(third % 2 === 0 ? b : a);
    }
    for (let third = 0; third < 12; third += 1) {
      await pass(all, TTL / 3);
      await say(b);
    }
    expect(await a.conductor.revision()).toBe(revision);
    expect(await owner()).toBe("a");
    expect(await states()).toEqual(["LIVE", "LIVE"]);
  });

  test("conductors whose clocks differ leave it to a node's owner what is said of its clock (found by simulation)", async () => {
    const real = a.clock.world.now;
    a.clock.world.now = () => new Date(real().getTime() - 156 * 86_400_000);
    const turns = async () => {
      for (let third = 0; third < 12; third += 1) {
        await say(third % 4 < 2 ? a : b, { sent_at: real().toISOString() });
        await pass(all, TTL / 3);
      }
    };
    await turns();
    expect((await nodeAt(a.db))?.conditions).toContain("ahead of its conductor's");
    const revision = await a.conductor.revision();
    await turns();
    expect(await a.conductor.revision()).toBe(revision);
    expect(await owner()).toBe("a");
    expect([a.pulls, b.pulls]).toEqual([1, 0]);
    // Whoever has it next looks at its own clock.
    b.answer = () => report("g2", DEVICE);
    for (let third = 0; third < 3; third += 1) {
      await say(b, { generation: "g2", sent_at: real().toISOString() });
      await pass(all, TTL / 3);
    }
    expect(await nodeAt(a.db)).toMatchObject({ owner: "b", conditions: null });
  });

  test("a node that neither hears is LATE and LOST once, by its owner; the other one's hello makes it LIVE and its own", async () => {
    await say(a);
    await pass(all, 1);
    await say(b);
    await becomes(all, async () => (await state()) === "LOST");
    expect(await fresh(b)).toBe("STALE");
    const before = await states();
    expect(before.slice(-2)).toEqual(["LATE", "LOST"]);
    await say(b);
    await becomes(all, async () => (await fresh(b)) === "FRESH");
    expect((await states()).slice(before.length)).toEqual(expect.arrayContaining(["LIVE"]));
    expect((await states()).slice(before.length)).not.toContain("LOST");
    expect(await owner()).toBe("b");
  });

  test("a hello that comes to the other one right after a node was taken counts (found by simulation)", async () => {
    await say(a);
    await pass(all, TTL / 4);
    await say(b);
    await pass(all, 2 * TTL - 1);
    expect(await state()).toBe("LATE");
    await becomes(all, async () => (await state()) === "LOST");
  });

  test("another generation is pulled by the one that hears of it, which owns the node from then on", async () => {
    await say(a);
    await pass(all, 1);
    b.answer = () => report("g2", DEVICE, { ...DEVICE, uuid: crypto.randomUUID() });
    await say(b, { generation: "g2" });
    await pass(all, 1);
    expect(await nodeAt(a.db)).toMatchObject({ owner: "b", generation: "g2" });
    // The first one hears the same later: it looks before it acts.
    await say(a, { generation: "g2" });
    await pass(all, 2);
    expect(await owner()).toBe("b");
    expect([a.pulls, b.pulls]).toEqual([1, 1]);
  });

  test("a node that says LEAVING at the other one has LEFT, and its owner does not call it LOST", async () => {
    await say(a);
    await pass(all, 1);
    await say(b, { status: "LEAVING" });
    await pass(all, 3 * TTL);
    expect(await state()).toBe("LEFT");
    expect((await states()).at(-1)).toBe("LEFT");
  });

  test("a conductor that dies loses its nodes within its lease and a second, each with a fresh lease", async () => {
    await say(a);
    await pass(all, 1);
    // Nothing runs at it any more, and its clock stands still.
    await pass([b], TTL - 3);
    expect(await owner()).toBe("a");
    await becomes([b], async () => (await owner()) === "b", 10);
    expect(await conductorsAt(b.db)).toEqual(["b"]);
    await pass([b], TTL - 5);
    expect(await state()).toBe("LIVE");
    await becomes([b], async () => (await state()) === "LOST");
  });

  test("a conductor that stops gives its nodes up at once", async () => {
    await say(a);
    await pass(all, 1);
    await a.conductor.stop();
    await becomes([b], async () => (await owner()) === "b", 4);
  });

  test("a conductor that stood still for longer than its lease learns that it is none, and calls nobody LOST", async () => {
    await say(a);
    await pass(all, 1);
    a.clock.suspend(100 * TTL * 1000);
    for (let third = 0; third < 6; third += 1) {
      await pass([b], TTL / 3);
      await say(b);
    }
    expect(await owner()).toBe("b");
    const before = (await states()).length;
    // It wakes up: its timers run before anything is read.
    await becomes(all, async () => (await conductorsAt(b.db)).length === 2);
    await say(b);
    await pass(all, 2);
    expect(await owner()).toBe("b");
    expect((await states()).length).toBe(before);
    expect(await conductorsAt(b.db)).toEqual(["a", "b"]);
    expect(await say(a)).toMatchObject({ status: "REGISTERED" });
    await pass(all, 1);
    expect(await owner()).toBe("b");
  });

  test("what a conductor says of a node by its silence or its failure does not count once another one has it", async () => {
    await say(a);
    await pass(all, 1);
    b.answer = () => report("g2", DEVICE);
    a.answer = null;
    await say(b, { generation: "g2" });
    await pass(all, 1);
    // It still takes the node for its own when it hears of the next generation, and cannot reach it.
    const revision = await a.conductor.revision();
    await a.conductor.operation((await a.conductor.startDiscovery()).uuid, 0);
    await pass(all, 2);
    expect(await owner()).toBe("b");
    expect(await fresh(a)).toBe("FRESH");
    expect(await a.conductor.revision()).toBe(revision);
  });

  test("a database that was away makes nobody LATE or LOST, and no conductor dead", async () => {
    await say(a);
    await pass(all, 1);
    const before = (await states()).length;
    for (const one of all) one.away = true;
    await pass(all, 4 * TTL);
    // A good answer would be a promise that nobody could keep.
    expect(say(a)).rejects.toMatchObject({ code: "unavailable" });
    expect(a.conductor.ready).toBe(false);
    for (const one of all) one.away = false;
    await pass(all, TTL - 3);
    expect(a.conductor.ready).toBe(true);
    expect((await states()).length).toBe(before);
    expect(await conductorsAt(b.db)).toEqual(["a", "b"]);
    await becomes(all, async () => (await state()) === "LOST");
  });

  test("a conductor that cannot write learns of another that comes, and promises nothing more (found by simulation)", async () => {
    await b.conductor.stop();
    await say(a);
    await becomes(all, async () => (await conductorsAt(a.db)).length === 1);
    a.full = true;
    await pass([a], 1);
    const again = await member(database.url, "b");
    all = [a, again, b];
    await pass([a, again], 1.5 * TTL);
    expect(say(a)).rejects.toMatchObject({ code: "unavailable" });
    a.full = false;
  });

  test("a conductor that is started again under its id has its nodes at once", async () => {
    await say(a);
    await pass(all, 1);
    const again = await member(database.url, "a");
    all = [b, again, a];
    expect(await owner()).toBe("a");
    await pass([b, again], 2 * TTL - 2);
    expect(await state()).not.toBe("LOST");
    expect(await owner()).toBe("a");
    await becomes([b, again], async () => (await state()) === "LOST");
    expect(await owner()).toBe("a");
  });

  test("a second one that has the same id makes the first one another", async () => {
    const twin = await member(database.url, "a");
    all = [a, b, twin];
    await pass(all, TTL);
    const ids = await conductorsAt(b.db);
    expect(ids).toHaveLength(3);
    expect(ids).toEqual(expect.arrayContaining(["a", "b"]));
    await say(a);
    await pass(all, 1);
    expect(ids).toContain((await owner()) ?? "");
    expect(await owner()).not.toBe("a");
  });

  test("what is asked of a node goes to the one that has it, and a discovery is followed at both", async () => {
    await say(a);
    await pass(all, 1);
    b.answer = null;
    a.answer = (url) => {
      if (url.endsWith("/telemetry"))
        return { uuid: DEVICE.uuid, observed_at: "2026-01-01T00:00:00Z", measurements: [] };
      return url.endsWith("/discovery") ? { status: "IN-PROGRESS" } : report("g1", DEVICE);
    };
    const measured = b.conductor.care.telemetry(DEVICE.uuid);
    let telemetry: unknown;
    void measured.then((found) => {
      telemetry = found;
    });
    await becomes(all, async () => telemetry !== undefined, 10);
    expect(telemetry).toMatchObject({ uuid: DEVICE.uuid, measurements: [] });
    const { uuid } = await b.conductor.startDiscovery();
    await becomes(all, async () => (await a.conductor.operation(uuid, 0))?.status === "SUCCEEDED", 10);
    expect(await b.conductor.operation(uuid, 0)).toMatchObject({ children: [{ name: "n1", found: 1 }] });
    expect(b.pulls).toBe(0);
  });

  test("what was asked of a conductor that died is unavailable, not asked again", async () => {
    await say(a);
    await pass(all, 1);
    // It dies while the node has the request.
    a.answer = () => new Promise(() => {});
    const asked = b.conductor.care.telemetry(DEVICE.uuid).catch((error) => error);
    let answer: unknown;
    void asked.then((error) => {
      answer = error;
    });
    await becomes([b], async () => (await owner()) === "b");
    await becomes([b], async () => answer !== undefined, 10);
    expect(answer).toMatchObject({ code: "unavailable" });
    expect(b.pulls).toBe(0);
  });

  test("what a conductor had asked that was taken for dead is unavailable, and not waited for", async () => {
    await say(a);
    await pass(all, 1);
    // The node has the request for as long as this takes.
    a.answer = () => new Promise(() => {});
    const { uuid } = await b.conductor.startDiscovery();
    await pass(all, 1);
    await becomes([a], async () => (await conductorsAt(a.db)).length === 1);
    await pass(all, 5);
    await becomes([b], async () => (await b.conductor.operation(uuid, 0))?.status === "FAILED", 10);
    expect(await b.conductor.operation(uuid, 0)).toMatchObject({
      children: [{ name: "n1", error: expect.stringContaining("took this one for dead") }],
    });
  });
});
