import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { parseKeep } from "../../../../src/config/keep.ts";
import { type Database, openDatabase } from "../../../../src/db/database.ts";
import { appendAudit } from "../../../../src/db/queries/audit.ts";
import { appendChanges, changesSince, keptAfter, reserveRevisions } from "../../../../src/db/queries/changes.ts";
import { addWindow, listWindows } from "../../../../src/db/queries/fleet/windows.ts";
import { getOperation, saveOperation } from "../../../../src/db/queries/operations.ts";
import { createReads } from "../../../../src/tiers/conductor/reads.ts";
import { createRetention } from "../../../../src/tiers/conductor/retention/retention.ts";
import { databases, type TestDatabase } from "../../../support/databases.ts";
import { quiet } from "../../../support/tiers.ts";
import { nodeOf, nth } from "../inventory/support.ts";

const ALL = { seconds: null, count: null };
const NOW = new Date("2026-11-23T00:00:00.000Z");
const DAY = 86_400;
const daysAgo = (days: number) => new Date(NOW.getTime() - days * DAY * 1000).toISOString();

describe.each(databases)("retention on $name", ({ open }) => {
  let database: TestDatabase;
  let db: Database;
  beforeEach(async () => {
    database = await open();
    db = await openDatabase(database.url);
  });
  afterEach(async () => {
    await db.close();
    await database.close();
  });
  const world = { ...quiet(), now: () => NOW };
  const run = (keep: Parameters<typeof createRetention>[2]) => {
    // It has run for two hours by now.
    let ticks = 0;
    const retention = createRetention(db, { ...world, now: () => NOW, monotonic: () => ticks }, keep);
    ticks = 7_200_000;
    return retention.run();
  };
  /** Changes of so many days ago each. */
  const write = (days: number[]) =>
    db.write(async (tx) => {
      const first = await reserveRevisions(tx, days.length);
      const { id, name } = nodeOf(1);
      const rows = days.map((ago, index) => ({
        ...{ revision: first + index, time: daysAgo(ago), kind: "state", node_id: id, node_name: name },
        ...{ source: null, uuid: null, state: "LIVE", body: null },
      }));
      await appendChanges(tx, rows);
    });
  const kept = async () => (await changesSince(db.read, 0, 10_000)).map(({ revision }) => revision);

  test("forgets changes by age and by number, in chunks, and says so to who asks for them", async () => {
    await write([...Array.from({ length: 1_200 }, () => 40), 31, 20, 31, 10, 0]);
    await run({ changes: { seconds: 30 * DAY, count: null } });
    // Not beyond the first that is kept: what is left has no gap.
    expect(await kept()).toEqual([1_202, 1_203, 1_204, 1_205]);
    expect(await keptAfter(db.read)).toBe(1_201);
    const { changes } = createReads(db, quiet());
    await expect(changes(1_200, { limit: 10 })).rejects.toMatchObject({ code: "too_old", revision: 1_205 });
    expect(JSON.parse(await changes(1_201, { limit: 10 })).changes).toHaveLength(4);
    await Promise.all([1, 2].map(() => run({ changes: { seconds: null, count: 2 } })));
    expect(await kept()).toEqual([1_204, 1_205]);
    await run({ changes: ALL });
    expect(await kept()).toEqual([1_204, 1_205]);
    await run({ changes: { seconds: 1, count: null } });
    expect(await kept()).toEqual([1_205]);
    expect(await keptAfter(db.read)).toBe(1_204);
  });

  test("a clock that has just begun, or was set, makes nothing old for an hour (found by simulation)", async () => {
    const HOUR = 3_600_000;
    let ticks = 0;
    let wrong = 0;
    const now = () => new Date(NOW.getTime() + ticks + wrong);
    const keep = { changes: { seconds: 30 * DAY, count: null } };
    const retention = createRetention(db, { ...world, now, monotonic: () => ticks }, keep);
    const at = async (hours: number) => {
      ticks = hours * HOUR;
      await retention.run();
      return (await kept()).length;
    };
    await write([40, 0]);
    expect(await at(0.5)).toBe(2);
    expect(await at(1.1)).toBe(1);
    wrong = 156 * DAY * 1000;
    expect(await at(1.2)).toBe(1);
    expect(await at(2.1)).toBe(1);
    wrong = 0;
    expect(await at(2.2)).toBe(1);
    expect(await at(3.3)).toBe(1);
    // One that stays so is the one that there is.
    wrong = 156 * DAY * 1000;
    expect(await at(3.4)).toBe(1);
    expect(await at(4.5)).toBe(0);
  });

  test("forgets windows that ended longer ago than alarms are kept, however their time is written", async () => {
    const offset = daysAgo(91).replace("Z", "+02:00");
    for (const [index, ends_at] of [daysAgo(91), offset, daysAgo(89), daysAgo(-1)].entries())
      await db.write((tx) =>
        addWindow(tx, {
          ...{ id: nth(index), starts_at: daysAgo(100), ends_at, matcher: {}, comment: null },
          ...{ created_by: "ops", created_at: daysAgo(100) },
        }),
      );
    const left = async () => (await listWindows(db.read)).map(({ id }) => id).sort();
    await run({ alarms: ALL });
    expect(await left()).toHaveLength(4);
    await run({});
    expect(await left()).toEqual([nth(2), nth(3)]);
  });

  test("forgets operations that have ended, the audit and resolved alarms, and nothing that is under way", async () => {
    const operation = (days: number, status: "SUCCEEDED" | "IN-PROGRESS") => ({
      ...{ uuid: crypto.randomUUID(), kind: "discovery", status, started_at: daysAgo(days), children: [] },
      finished_at: status === "SUCCEEDED" ? daysAgo(days) : null,
    });
    const all = [
      operation(50, "IN-PROGRESS"),
      operation(40, "SUCCEEDED"),
      operation(3, "SUCCEEDED"),
      operation(2, "SUCCEEDED"),
    ];
    const entry = { kind: "write", caller: "a", role: "admin", address: null, method: "GET", path: "/" } as const;
    const audited = [100, 1].map((days) => ({
      ...entry,
      time: daysAgo(days),
      status: 200,
      code: null,
      count: 1,
      request_id: null,
    }));
    const alarm = (n: number, state: string, days: number) => ({
      ...{ id: `${n}`, fingerprint: "f", open: null, kind: "agent.lost", state, severity: "critical", node_id: null },
      ...{ node_name: null, source: null, uuid: null, since: daysAgo(days), fired_at: null, body: "{}", revision: 1 },
      resolved_at: state === "resolved" ? daysAgo(days) : null,
    });
    await db.write(async (tx) => {
      for (const one of all) await saveOperation(tx, one);
      for (const one of [alarm(1, "firing", 200), alarm(2, "resolved", 100), alarm(3, "resolved", 1)])
        await tx.query((q, { alarms }) => q.insert(alarms).values(one));
    });
    await appendAudit(db, audited as Parameters<typeof appendAudit>[1]);
    await run({ operations: { seconds: 30 * DAY, count: 1 } });
    const there = await Promise.all(all.map(async ({ uuid }) => (await getOperation(db.read, uuid)) !== null));
    expect(there).toEqual([true, false, false, true]);
    const ids = await db.read.query((q, { alarms }) => q.select({ id: alarms.id }).from(alarms));
    expect(ids.map(({ id }) => id).sort()).toEqual(["1", "3"]);
    const times = await db.read.query((q, { audit }) => q.select({ time: audit.time }).from(audit));
    expect(times).toEqual([{ time: daysAgo(1) }]);
  });
});

test("parseKeep() reads an age, a number, both or all, and nothing else", () => {
  expect(parseKeep("30d")).toEqual({ seconds: 30 * DAY, count: null });
  expect(parseKeep("1000, 12h")).toEqual({ seconds: 12 * 3600, count: 1000 });
  expect(parseKeep("all")).toEqual(ALL);
  for (const bad of ["", "0", "d", "30d,1d", "5,6", "-1", "1w", "1.5d", "30d,", "99999999999d"])
    expect([bad, parseKeep(bad)]).toEqual([bad, null]);
});
