import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import type { Operation } from "../../../../src/contract/operation.ts";
import { type Database, openDatabase } from "../../../../src/db/database.ts";
import { saveOperation } from "../../../../src/db/queries/operations.ts";
import { type Conductor, createConductorTier } from "../../../../src/tiers/conductor/conductor.ts";
import { realWorld } from "../../../../src/world.ts";
import { alone, VISITOR } from "../../../support/callers.ts";
import { databases, type TestDatabase } from "../../../support/databases.ts";
import { nth } from "../inventory/support.ts";

const OK = { name: "gpu", type: "GPU", endpoint: null, status: "OK", observed_at: null, count: 1, error: null };
const SELF = { id: nth(77), name: "c", version: "1" };

describe.each(databases)("a fleet's discovery on $name", ({ open }) => {
  let database: TestDatabase;
  let db: Database;
  let conductor: Conductor;
  let asked: string[];
  let wait: () => Promise<void>;
  const start = async () => {
    const world = realWorld(() => {});
    world.fetch = async (url, init) => {
      const port = new URL(url).port;
      if (init?.method === "POST") {
        asked.push(port);
        await wait();
        return Response.json({ status: "IN-PROGRESS" }, { status: 202 });
      }
      return Response.json({ hardware: [{ uuid: nth(Number(port)), source: "gpu" }], sources: [OK], generation: "g" });
    };
    conductor = await createConductorTier({ ...alone(), db, world, leaseSeconds: 60, self: SELF });
    await conductor.start();
  };
  const hello = (n: number, labels = {}) =>
    conductor.hello(
      {
        ...{ status: "READY", endpoint: `127.0.0.1:${n}`, api: { min: "1.0", max: "1.0" }, generation: "g" },
        node: { id: nth(n), name: `n${n}`, labels },
      },
      VISITOR,
    );
  const end = async ({ uuid }: Operation) => (await conductor.operation(uuid, 20_000)) as Operation;
  beforeEach(async () => {
    asked = [];
    wait = async () => {};
    database = await open();
    db = await openDatabase(database.url);
  });
  afterEach(async () => {
    await conductor.stop();
    await db.close();
    await database.close();
  });

  test("is of all, or of those that its filter is about, and says how each ended", async () => {
    await start();
    for (const n of [1, 2, 3]) await hello(n, { rack: n < 3 ? "a" : "b" });
    const all = await end(await conductor.startDiscovery());
    expect(all).toMatchObject({ status: "SUCCEEDED", summary: { total: 3, succeeded: 3, failed: 0, in_progress: 0 } });
    expect(all.children.map(({ name, found }) => [name, found])).toEqual([
      ["n1", 1],
      ["n2", 1],
      ["n3", 1],
    ]);
    const names = async (filter: Parameters<Conductor["startDiscovery"]>[0]) =>
      (await end(await conductor.startDiscovery(filter))).children.map(({ name }) => name);
    expect(await names({ labels: { rack: "a" } })).toEqual(["n1", "n2"]);
    expect(await names({ labels: { rack: "a", row: "1" } })).toEqual([]);
    expect(await names({ labels: { toString: "x" } })).toEqual([]);
    expect(await names({ node: "n3" })).toEqual(["n3"]);
    expect(await names({ node: nth(2).toUpperCase(), state: "LIVE" })).toEqual(["n2"]);
    expect(await names({ state: "LOST" })).toEqual([]);
    await expect(conductor.startDiscovery({ node: "nobody" })).rejects.toMatchObject({ code: "not_found" });
  });

  test("joins the same that runs, and runs beside another", async () => {
    await start();
    for (const n of [1, 2]) await hello(n);
    const gate = Promise.withResolvers<void>();
    wait = () => gate.promise;
    const first = await conductor.startDiscovery({ labels: {}, state: "LIVE" });
    expect((await conductor.startDiscovery({ state: "LIVE", labels: {} })).uuid).toBe(first.uuid);
    const other = await conductor.startDiscovery({ node: "n1" });
    expect(other.uuid).not.toBe(first.uuid);
    gate.resolve();
    expect((await end(first)).children).toHaveLength(2);
    expect((await end(other)).children).toHaveLength(1);
    expect((await conductor.startDiscovery({ node: "n1" })).uuid).not.toBe(other.uuid);
  });

  test("is one, however many conductors are asked for it at the same moment", async () => {
    await start();
    const rounds = ["r0", "r1", "r2", "r3", "r4"];
    await hello(1, Object.fromEntries(rounds.map((round) => [round, "x"])));
    await conductor.settled();
    const gate = Promise.withResolvers<void>();
    wait = () => gate.promise;
    const theirs = await openDatabase(database.url);
    const world = realWorld(() => {});
    world.fetch = () => Promise.reject(new Error("the other one has the node"));
    const self = { id: nth(78), name: "d", version: "1" };
    const second = await createConductorTier({ ...alone(), db: theirs, world, leaseSeconds: 60, self });
    await second.start();
    for (const round of rounds) {
      const filter = { labels: { [round]: "x" } };
      const asked = await Promise.all([conductor, second, conductor, second].map((one) => one.startDiscovery(filter)));
      expect(new Set(asked.map(({ uuid }) => uuid)).size).toBe(1);
    }
    gate.resolve();
    await second.stop();
    await theirs.close();
  });

  test("goes on after a restart with those that had not ended, under its uuid", async () => {
    await start();
    for (const n of [1, 2]) await hello(n);
    await conductor.settled();
    await conductor.stop();
    const child = { endpoint: null, found: null, error: null };
    const left = (kind: string, children: Operation["children"]): Operation => ({
      ...{ uuid: crypto.randomUUID(), kind, status: "IN-PROGRESS", finished_at: null, children },
      started_at: new Date().toISOString(),
    });
    const half = left("discovery", [
      { ...child, name: "n1", status: "SUCCEEDED", found: 7 },
      { ...child, name: "n2", status: "IN-PROGRESS" },
      { ...child, name: "n9", status: "IN-PROGRESS" },
    ]);
    const barely = left("discovery", []);
    const setup = left("setup", [{ ...child, name: "bind", status: "IN-PROGRESS" }]);
    await db.write(async (tx) => {
      const owner = SELF.id;
      await saveOperation(tx, half, { owner, request: { scope: "{}", keys: [nth(1), nth(2), nth(9)] } });
      await saveOperation(tx, barely, { owner, request: { scope: '{"node":"n1"}', keys: [] } });
      await saveOperation(tx, setup, { owner });
    });
    asked = [];
    await start();
    expect(await end(half)).toMatchObject({
      status: "PARTIAL",
      children: [
        { name: "n1", status: "SUCCEEDED", found: 7 },
        { name: "n2", status: "SUCCEEDED", found: 1 },
        { name: "n9", status: "FAILED" },
      ],
    });
    expect((await end(barely)).children.map(({ name }) => name)).toEqual(["n1"]);
    expect(asked.sort()).toEqual(["1", "2"]);
    expect(await end(setup)).toMatchObject({ status: "FAILED", children: [{ error: "the conductor restarted" }] });
  });

  test("of thousands shows those first that a reader looks for, and counts all", async () => {
    await start();
    const many: Operation = {
      ...{ uuid: crypto.randomUUID(), kind: "discovery", status: "PARTIAL", started_at: new Date().toISOString() },
      finished_at: new Date().toISOString(),
      children: Array.from({ length: 3_000 }, (_, n) => ({
        ...{ name: `n${n}`, endpoint: null, found: null, error: null },
        status: n % 1_000 === 999 ? ("FAILED" as const) : ("SUCCEEDED" as const),
      })),
    };
    await db.write((tx) => saveOperation(tx, many, { owner: SELF.id }));
    const shown = await end(many);
    expect(shown.children).toHaveLength(1_000);
    expect(shown.children.slice(0, 4).map(({ status }) => status)).toEqual(["FAILED", "FAILED", "FAILED", "SUCCEEDED"]);
    expect(shown.summary).toEqual({ total: 3_000, succeeded: 2_997, partial: 0, failed: 3, in_progress: 0 });
  });
});
