import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Database, openDatabase } from "../../../src/db/database.ts";
import { appendChanges, reserveRevisions } from "../../../src/db/queries/changes.ts";
import { createReads } from "../../../src/tiers/conductor/reads.ts";
import { createSearching } from "../../../src/tiers/conductor/searching.ts";

const pause = () => new Promise((resume) => setImmediate(resume));

describe("createSearching()", () => {
  test("has four at once, the others in their order, and none that has waited for too long", async () => {
    let now = 0;
    const searching = createSearching({ monotonic: () => now });
    const begun: number[] = [];
    const ends: (() => void)[] = [];
    const all = Array.from({ length: 7 }, (_, at) =>
      searching(() => {
        begun.push(at);
        return new Promise<number>((end) => ends.push(() => end(at)));
      }),
    );
    const told = Promise.allSettled(all);
    await pause();
    expect(begun).toEqual([0, 1, 2, 3]);
    ends[0]?.();
    await pause();
    expect(begun).toEqual([0, 1, 2, 3, 4]);
    now = 6_000;
    for (const end of ends) end();
    const [first, , , , , late] = await told;
    expect(first).toEqual({ status: "fulfilled", value: 0 });
    expect(late).toMatchObject({ status: "rejected", reason: { code: "unavailable", retryAfter: 1 } });
    expect(begun).toHaveLength(5);
  });
});

describe("a conductor's searches", () => {
  const folder = mkdtempSync(join(tmpdir(), "sinew-searching-"));
  let db: Database;
  beforeAll(async () => {
    db = await openDatabase(`sqlite:${join(folder, "sinew.sqlite")}`);
    const COUNT = 10_000;
    await db.write(async (tx) => {
      const first = await reserveRevisions(tx, COUNT);
      const row = { time: "2026-01-01T00:00:00Z", kind: "state", node_id: "n", node_name: "n", state: "LIVE" };
      const rest = { source: null, uuid: null, body: null };
      await appendChanges(
        tx,
        Array.from({ length: COUNT }, (_, at) => ({ ...row, ...rest, revision: first + at })),
      );
    });
  });
  afterAll(async () => {
    await db.close();
    rmSync(folder, { recursive: true });
  });

  test("wait for each other, and lists for none of them", async () => {
    const looking: (() => void)[] = [];
    const timer = (_: number, work: () => void) => {
      looking.push(work);
      return () => {};
    };
    const { changes } = createReads(db, { monotonic: () => 0, timer });
    const found = Promise.all(Array.from({ length: 20 }, () => changes(0, { limit: 10, kind: "gone" })));
    await pause();
    await pause();
    // Each has looked once, and lets others in.
    expect(looking).toHaveLength(4);
    expect(JSON.parse(await changes(0, { limit: 10, order: "desc" })).changes).toHaveLength(10);
    let done = false;
    void found.then(() => {
      done = true;
    });
    while (!done) {
      for (const go of looking.splice(0)) go();
      await pause();
    }
    expect(new Set(await found).size).toBe(1);
  });
});
