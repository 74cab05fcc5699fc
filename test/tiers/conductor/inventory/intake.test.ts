import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { type Database, openDatabase } from "../../../../src/db/database.ts";
import { changesSince } from "../../../../src/db/queries/changes.ts";
import { getNode } from "../../../../src/db/queries/nodes.ts";
import { createIntake } from "../../../../src/tiers/conductor/inventory/intake.ts";
import { databases, type TestDatabase } from "../../../support/databases.ts";
import { quiet } from "../../../support/tiers.ts";
import { addNode, nodeOf, nth, source, taking } from "./support.ts";

describe.each(databases)("reports on $name", ({ open }) => {
  let database: TestDatabase;
  let db: Database;
  let transactions = 0;
  beforeEach(async () => {
    database = await open();
    const opened = await openDatabase(database.url);
    db = {
      ...opened,
      write: (work) => {
        transactions += 1;
        return opened.write(work);
      },
    };
  });
  afterEach(async () => {
    await db.close();
    await database.close();
  });
  const log = async () => (await changesSince(db.read, 0, 10_000)).map(({ kind, uuid }) => [kind, uuid]);
  const upTo = (count: number) => Array.from({ length: count }, (_, index) => index);

  test("that wait at the same time share transactions, and each changed device is one change", async () => {
    for (const n of upTo(100)) await addNode(db, n);
    const intake = createIntake(db, quiet());
    transactions = 0;
    const uuids = (n: number) => [nth(0, n), nth(1, n)];
    const taken = await Promise.all(
      upTo(100).map((n) => intake.take(taking(n, { generation: "g1", uuids: uuids(n) }))),
    );
    expect(taken).toMatchObject(upTo(100).map(() => ({ taken: true })));
    expect(transactions).toBeLessThan(10);
    const changes = await log();
    expect(changes.filter(([kind]) => kind === "added")).toHaveLength(200);
    expect(changes.filter(([kind]) => kind === "state")).toHaveLength(100);
    // The same again is none.
    await Promise.all(upTo(100).map((n) => intake.take(taking(n, { generation: "g2", from: "g1", uuids: uuids(n) }))));
    expect(await log()).toHaveLength(changes.length);
    expect((await getNode(db.read, nth(7)))?.generation).toBe("g2");
  });

  test("that cannot be stored fail alone", async () => {
    for (const n of upTo(5)) await addNode(db, n);
    const intake = createIntake(db, quiet());
    const bad = taking(2, { generation: "g1" });
    // Past every check of what a peer may say: the database itself refuses it.
    for (const { raw } of bad.report.items) raw.source = "half \ud800";
    for (const { value } of bad.report.items) value.source = "half \ud800";
    const all = upTo(5).map((n) => intake.take(n === 2 ? bad : taking(n, { generation: "g1" })));
    const ended = await Promise.allSettled(all);
    expect(ended.map(({ status }) => status)).toEqual(["fulfilled", "fulfilled", "rejected", "fulfilled", "fulfilled"]);
    expect((await log()).filter(([kind]) => kind === "added")).toHaveLength(4);
    expect((await getNode(db.read, nth(2)))?.generation).toBeNull();
  });

  test("of nodes that are unknown, were lost meanwhile, or of which another conductor was first", async () => {
    await addNode(db, 0);
    await addNode(db, 1, "LOST");
    await addNode(db, 2);
    const intake = createIntake(db, quiet());
    await intake.take(taking(2, { generation: "others" }));
    const taken = await Promise.all([
      ...[0, 1, 2, 3].map((n) => intake.take(taking(n, { generation: "g1" }))),
      // One node's own come one after the other.
      intake.take(taking(0, { generation: "g2", from: "g1", uuids: [nth(5)] })),
    ]);
    expect(taken).toMatchObject([{ taken: true }, { taken: false, size: 0 }, null, null, { taken: true }]);
    const changes = await log();
    expect(changes).toContainEqual(["gone", nth(0, 0)]);
    expect(changes).toContainEqual(["added", nth(5)]);
  });

  test("suddenly empty are believed as far as their sources say OK, and nothing is deleted", async () => {
    for (const n of upTo(5)) await addNode(db, n);
    const intake = createIntake(db, quiet());
    const said = (n: number, generation: string, more: object) => intake.take(taking(n, { generation, ...more }));
    for (const n of upTo(5)) await said(n, "g1", {});
    const empty = { from: "g1", uuids: [] };
    await said(0, "g2", { ...empty });
    await said(1, "g2", { ...empty, sources: [source("gpu", "STALE")] });
    // A source that is named no more says nothing of its devices.
    await said(2, "g2", { ...empty, sources: [source("other", "OK")] });
    await said(3, "g2", { ...empty, sources: [] });
    const rows = await db.read.query((q, { hardware }) => q.select().from(hardware));
    const freshness = Object.fromEntries(rows.map((row) => [row.node_id, row.freshness]));
    expect(upTo(5).map((n) => freshness[nodeOf(n).id])).toEqual(["GONE", "STALE", "STALE", "STALE", "FRESH"]);
    const [gone] = rows.filter((row) => row.freshness === "GONE");
    expect(JSON.parse(gone?.body ?? "")).toMatchObject({ acc_status: { ready: false } });
    expect((await log()).filter(([kind]) => kind === "gone")).toEqual([["gone", nth(0, 0)]]);
  });

  test("of thousands of devices let others run meanwhile", async () => {
    await addNode(db, 0);
    const intake = createIntake(db, quiet());
    const uuids = upTo(3000).map((index) => nth(index, 9));
    let turns = 0;
    const counting = setInterval(() => {
      turns += 1;
    }, 0);
    expect(await intake.take(taking(0, { generation: "g1", uuids }))).toMatchObject({ taken: true });
    clearInterval(counting);
    expect(turns).toBeGreaterThan(5);
    expect((await log()).filter(([kind]) => kind === "added")).toHaveLength(3000);
  });
});
