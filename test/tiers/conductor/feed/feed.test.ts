import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { Change } from "../../../../src/contract/change.ts";
import type { Database, Writer } from "../../../../src/db/database.ts";
import { openDatabase } from "../../../../src/db/database.ts";
import { appendChanges, reserveRevisions } from "../../../../src/db/queries/changes.ts";
import { createFeed, type Feed } from "../../../../src/tiers/conductor/feed/feed.ts";
import { databases, type TestDatabase } from "../../../support/databases.ts";
import { eventsOf } from "../../../support/events.ts";
import { quiet, until } from "../../../support/tiers.ts";
import { virtualWorld } from "../../../support/world.ts";

const NODE = { id: "6f1a3f0e-9f57-4c8e-8f5e-0d0c1a2b3c4d", name: "n1" };
const TIME = "2026-11-23T00:00:00.000Z";

/** Appends changes of the node, each with `size` bytes that say nothing. */
async function append(tx: Writer, count: number, size = 10): Promise<number> {
  const first = await reserveRevisions(tx, count);
  const body = JSON.stringify([{ name: "x".repeat(size) }]);
  const common = { time: TIME, kind: "state", node_id: NODE.id, node_name: NODE.name, state: "LIVE" };
  const rows = Array.from({ length: count }, (_, index) => ({
    ...common,
    ...{ revision: first + index, source: null, uuid: null, body },
  }));
  await appendChanges(tx, rows);
  return first;
}

/** The ids of the next `count` changes. */
async function idsOf(stream: ReadableStream, count: number): Promise<number[]> {
  const ids: number[] = [];
  if (count === 0) return ids;
  for await (const { id } of eventsOf(stream)) {
    if (id !== null) ids.push(Number(id));
    if (ids.length === count) break;
  }
  return ids;
}
const upTo = (last: number, first = 1) => Array.from({ length: last - first + 1 }, (_, index) => first + index);

/** Time passes until `come` has: a database's I/O is real, and does not wait for the clock. */
async function passing(advance: (ms: number) => Promise<void>, come: Promise<unknown>) {
  let came = false;
  void come.then(() => {
    came = true;
  });
  while (!came) {
    await advance(100);
    await Bun.sleep(2);
  }
}

describe.each(databases)("the feed on $name", ({ open }) => {
  let database: TestDatabase;
  let db: Database;
  let feed: Feed;
  beforeEach(async () => {
    database = await open();
    db = await openDatabase(database.url);
    feed = createFeed(db, quiet());
  });
  afterEach(async () => {
    feed.stop();
    await db.close();
    await database.close();
  });
  const write = (count: number, size?: number) => db.write((tx) => append(tx, count, size));

  test("says its epoch first, then each change after `since` as an event with its revision and kind", async () => {
    await write(3);
    const seen = [];
    for await (const event of eventsOf(await feed.follow(1, {}))) {
      seen.push(event);
      if (seen.length === 3) await write(1);
      if (seen.length === 4) break;
    }
    expect(seen[0]).toEqual({ id: null, event: "epoch", data: JSON.stringify({ epoch: db.epoch, revision: 3 }) });
    expect(seen.slice(1).map(({ id, event }) => [id, event])).toEqual([
      ["2", "state"],
      ["3", "state"],
      ["4", "state"],
    ]);
    expect(JSON.parse(seen[1]?.data ?? "")).toMatchObject({ revision: 2, kind: "state", node: NODE });
    expect(Change.shape.revision.parse(JSON.parse(seen[3]?.data ?? "").revision)).toBe(4);
  });

  test("gives everyone every change once, in order, whenever they come and while several write", async () => {
    const COUNT = 600;
    const writers = Promise.all(
      [1, 2, 3, 4].map(async () => {
        for (let done = 0; done < COUNT / 4; done += 3) await write(3);
      }),
    );
    const readers = upTo(20).map(async (index) => {
      await Bun.sleep(index * 7);
      const since = (index * 37) % ((await db.revision()) + 1);
      expect(await idsOf(await feed.follow(since, {}), COUNT - since)).toEqual(upTo(COUNT, since + 1));
    });
    await Promise.all([writers, ...readers]);
  });

  test("closes one that does not read once the shared pages have passed it, and it goes on from its last event", async () => {
    const stalled = eventsOf(await feed.follow(0, {}));
    await write(1);
    await stalled.next();
    expect((await stalled.next()).value?.id).toBe("1");
    const keeping = idsOf(await feed.follow(0, {}), 241);
    for (let round = 0; round < 12; round += 1) await write(20, 64 * 1024);
    expect(await keeping).toEqual(upTo(241));
    expect((await stalled.next()).done).toBe(true);
    expect(await idsOf(await feed.follow(1, {}), 240)).toEqual(upTo(241, 2));
  });

  test("refuses a position that is not kept, saying from where to go on, and one of another history", async () => {
    await write(5);
    await db.write(async (tx) => {
      await tx.query((q, { meta }) => q.insert(meta).values({ key: "kept_after", value: "3" }));
    });
    await expect(feed.follow(2, {})).rejects.toMatchObject({ code: "too_old", revision: 5 });
    expect(await idsOf(await feed.follow(3, { epoch: db.epoch }), 2)).toEqual([4, 5]);
    await expect(feed.follow(6, {})).rejects.toMatchObject({ code: "epoch" });
    await expect(feed.follow(5, { epoch: NODE.id })).rejects.toMatchObject({ code: "epoch" });
  });

  test("ends a stream whose next change was forgotten meanwhile, rather than pass over it", async () => {
    const { world, advance } = virtualWorld();
    const own = createFeed(db, world);
    await write(2);
    const following = eventsOf(await own.follow(0, {}));
    for (let index = 0; index < 3; index += 1) await following.next();
    await db.write(async (tx) => {
      await append(tx, 5);
      await tx.query((q, { changes }) => q.delete(changes));
      await tx.query((q, { meta }) => q.insert(meta).values({ key: "kept_after", value: "7" }));
    });
    // It says meanwhile that it is there, until it has looked.
    for (;;) {
      const next = following.next();
      await passing(advance, next);
      const { done, value } = await next;
      if (done) break;
      expect(value.comment).toBe("keep-alive");
    }
  });

  test("says that nothing changed every 15 s, and ends all streams when it stops", async () => {
    const { world, advance } = virtualWorld();
    const own = createFeed(db, world);
    const following = eventsOf(await own.follow(0, {}));
    expect((await following.next()).value?.event).toBe("epoch");
    const next = following.next();
    await passing(advance, next);
    expect((await next).value).toMatchObject({ id: null, comment: "keep-alive" });
    const last = following.next();
    own.stop();
    expect((await last).done).toBe(true);
    const late = eventsOf(await own.follow(0, {}));
    expect((await late.next()).done).toBe(true);
  });

  test("hears of what another process has written", async () => {
    const other = await openDatabase(database.url);
    const following = idsOf(await feed.follow(0, {}), 2);
    await other.write((tx) => append(tx, 2));
    expect(await following).toEqual([1, 2]);
    await other.close();
  });

  test("goes on from the last change, though a newer revision is none", async () => {
    await write(2);
    await db.write((tx) => reserveRevisions(tx, 1));
    const following = eventsOf(await feed.follow(2, {}));
    await following.next();
    const next = following.next();
    // Whoever spins here lets nobody else run.
    await Bun.sleep(50);
    await write(1);
    expect((await next).value?.id).toBe("4");
  });

  test("looks once at each commit, though its last follower left while the next ones came", async () => {
    let watching = 0;
    let revisions = 0;
    const held = Promise.withResolvers<void>();
    const counted: Database = {
      ...db,
      watch(wake) {
        watching += 1;
        const unwatch = db.watch(wake);
        return () => {
          watching -= 1;
          unwatch();
        };
      },
      async revision() {
        revisions += 1;
        // Of the first follower's: one when it is let in, one when it begins.
        if (revisions === 2) await held.promise;
        return db.revision();
      },
    };
    const own = createFeed(counted, quiet());
    const first = (await own.follow(0, {})).getReader();
    await first.read();
    const waiting = first.read();
    await until("the first one's beginning", async () => revisions === 2);
    await first.cancel();
    await waiting;
    const second = eventsOf(await own.follow(0, {}));
    await second.next();
    const next = second.next();
    await until("the second one's beginning", async () => watching === 1);
    held.resolve();
    await write(1);
    expect((await next).value?.id).toBe("1");
    expect(watching).toBe(1);
    own.stop();
    expect(watching).toBe(0);
  });

  test("has room for others beside one caller who opens as many streams as it can, one after the other or at once", async () => {
    const of = (name: string) => feed.follow(0, { reader: { name } });
    const readers = await Promise.all(Array.from({ length: 1_100 }, async () => (await of("a")).getReader()));
    const told = await Promise.all(readers.map((reader) => reader.read()));
    expect(told.filter(({ done }) => !done)).toHaveLength(1_024);
    await expect(of("a")).rejects.toMatchObject({ code: "rate_limited" });
    expect((await (await of("b")).getReader().read()).done).toBe(false);
    await readers[0]?.cancel();
    expect((await (await of("a")).getReader().read()).done).toBe(false);
  });

  test("ends for whom it is no more, and for nobody else", async () => {
    const { world, advance } = virtualWorld();
    const own = createFeed(db, world);
    const may = { a: true, b: true, c: true };
    const of = async (name: keyof typeof may) =>
      eventsOf(await own.follow(0, { reader: { name, may: async () => may[name] } }));
    const all = await Promise.all([of("a"), of("a"), of("b")]);
    const unknown = eventsOf(
      await own.follow(0, { reader: { name: "c", may: () => Promise.reject(new Error("nobody can say")) } }),
    );
    for (const one of [...all, unknown]) await one.next();
    const next = all.map((one) => one.next());
    const open = unknown.next();
    await advance(3_000);
    may.a = false;
    await passing(advance, Promise.all(next.slice(0, 2)));
    expect(await Promise.all(next.slice(0, 2))).toMatchObject([{ done: true }, { done: true }]);
    await write(1);
    await passing(advance, Promise.all([next[2], open]));
    expect(await Promise.all([next[2], open])).toMatchObject([{ done: false }, { done: false }]);
    own.stop();
  });
});
