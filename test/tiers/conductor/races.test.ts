import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import type { Hello } from "../../../src/contract/hello.ts";
import { type Database, openDatabase } from "../../../src/db/database.ts";
import { type Conductor, createConductorTier } from "../../../src/tiers/conductor/conductor.ts";
import { realWorld } from "../../../src/world.ts";
import { alone, VISITOR } from "../../support/callers.ts";
import { databases } from "../../support/databases.ts";
import { until } from "../../support/tiers.ts";

const DEVICE = { uuid: "8e45a2ea-5364-4b0d-a252-bf8becaa606e", source: "crypto" };
const OK = { name: "crypto", type: "CRYPTO", endpoint: null, status: "OK", observed_at: null, count: 1, error: null };
const report = (generation: string, ...hardware: object[]) => ({ hardware, sources: [OK], generation });
const hello = (more: Partial<Hello> = {}): Hello => ({
  status: "READY",
  endpoint: "127.0.0.1:9",
  node: { id: "6f1a3f0e-9f57-4c8e-8f5e-0d0c1a2b3c4d", name: "n1" },
  api: { min: "1.0", max: "1.0" },
  generation: "g1",
  ...more,
});

describe.each(databases)("what comes at the wrong moment, on $name", ({ open }) => {
  let database: Awaited<ReturnType<typeof open>>;
  let db: Database;
  let conductor: Conductor;
  let pulls = 0;
  /** Before each write of the conductor. */
  let beforeWrite: () => Promise<void>;
  let answer: () => Promise<object> | object;

  const start = async (leaseSeconds: number) => {
    const world = realWorld(() => {});
    world.fetch = async (_, init) => {
      if (init?.method === "POST") return Response.json({ status: "IN-PROGRESS" }, { status: 202 });
      pulls += 1;
      return Response.json(await answer());
    };
    const write: Database["write"] = async (work) => {
      await beforeWrite();
      return db.write(work);
    };
    conductor = await createConductorTier({ ...alone(), db: { ...db, write }, world, leaseSeconds });
    await conductor.start();
  };
  const state = async () => (await conductor.nodes({}, { limit: 10 })).nodes[0]?.state;
  const freshness = async () =>
    JSON.parse((await conductor.hardware({}, { limit: 10 })).text).hardware.map(
      (device: typeof OK & { freshness: string }) => device.freshness,
    );
  const discover = async () => conductor.operation((await conductor.startDiscovery()).uuid, 10_000);

  beforeEach(async () => {
    pulls = 0;
    beforeWrite = async () => {};
    answer = () => report("g1", DEVICE);
    database = await open();
    db = await openDatabase(database.url);
  });
  afterEach(async () => {
    await conductor.stop();
    await db.close();
    await database.close();
  });

  test("a node whose first hello could not be stored is stored by its next one", async () => {
    await start(30);
    beforeWrite = () => Promise.reject(new Error("the disk is full"));
    expect(conductor.hello(hello(), VISITOR)).rejects.toThrow("the disk is full");
    beforeWrite = async () => {};
    await conductor.hello(hello(), VISITOR);
    await conductor.settled();
    expect(await state()).toBe("LIVE");
    expect(await freshness()).toEqual(["FRESH"]);
    expect(pulls).toBe(1);
  });

  test("two first hellos at once are one node", async () => {
    await start(30);
    await Promise.all([conductor.hello(hello(), VISITOR), conductor.hello(hello(), VISITOR)]);
    await conductor.hello(hello({ status: "LEAVING" }), VISITOR);
    await conductor.settled();
    expect(await state()).toBe("LEFT");
    expect((await freshness()).includes("FRESH")).toBe(false);
  });

  test("a report that comes while its node's LEAVING is being written makes nothing fresh", async () => {
    await start(30);
    await conductor.hello(hello(), VISITOR);
    await conductor.settled();
    const asked = Promise.withResolvers<void>();
    const go = Promise.withResolvers<object>();
    answer = () => {
      asked.resolve();
      return go.promise;
    };
    await conductor.hello(hello({ generation: "g2" }), VISITOR);
    await asked.promise;
    beforeWrite = async () => {
      beforeWrite = () => Bun.sleep(50);
      go.resolve(report("g2", { ...DEVICE, name: "another" }));
      await Bun.sleep(20);
    };
    await conductor.hello(hello({ status: "LEAVING", generation: "g2" }), VISITOR);
    await conductor.settled();
    expect(await state()).toBe("LEFT");
    expect(await freshness()).toEqual(["STALE"]);
    // And its return shows them again, although its generation is the one that was not taken in.
    answer = () => report("g2", { ...DEVICE, name: "another" });
    await conductor.hello(hello({ generation: "g2" }), VISITOR);
    await conductor.settled();
    expect(await freshness()).toEqual(["FRESH"]);
  });

  test("an answer older than the discovery that it outlasts is not taken in after it", async () => {
    await start(30);
    const slow = Promise.withResolvers<object>();
    answer = () => slow.promise;
    await conductor.hello(hello(), VISITOR);
    answer = () => report("g2", DEVICE);
    const discovery = discover();
    await Bun.sleep(50);
    slow.resolve(report("g1"));
    expect(await discovery).toMatchObject({ status: "SUCCEEDED", children: [{ found: 1 }] });
    await conductor.settled();
    expect(await freshness()).toEqual(["FRESH"]);
  });

  test("a node that answers a discovery after it was LOST is LIVE, and LOST again when it stays silent", async () => {
    await start(0.2);
    await conductor.hello(hello(), VISITOR);
    await until("the loss", async () => (await state()) === "LOST");
    expect(await freshness()).toEqual(["STALE"]);
    expect(await discover()).toMatchObject({ status: "SUCCEEDED" });
    expect(await state()).not.toBe("LOST");
    expect(await freshness()).toEqual(["FRESH"]);
    await until("the second loss", async () => (await state()) === "LOST");
    expect(await freshness()).toEqual(["STALE"]);
  });

  test("a node that became INCOMPATIBLE is asked nothing, and a discovery says why", async () => {
    await start(30);
    await conductor.hello(hello(), VISITOR);
    await conductor.settled();
    const refused = conductor.hello(hello({ api: { min: "2.0", max: "2.0" } }), VISITOR);
    expect(refused).rejects.toMatchObject({ code: "api_version" });
    await refused.catch(() => {});
    expect(await discover()).toMatchObject({
      status: "FAILED",
      children: [{ error: "it speaks no API version of this conductor" }],
    });
    expect(await freshness()).toEqual(["STALE"]);
    expect(pulls).toBe(1);
  });
});
