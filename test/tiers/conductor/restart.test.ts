import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import type { Hello } from "../../../src/contract/hello.ts";
import { openDatabase } from "../../../src/db/database.ts";
import { type Conductor, createConductorTier } from "../../../src/tiers/conductor/conductor.ts";
import { alone, VISITOR } from "../../support/callers.ts";
import { databases } from "../../support/databases.ts";
import { virtualWorld } from "../../support/world.ts";

const NODE = { id: "6f1a3f0e-9f57-4c8e-8f5e-0d0c1a2b3c4d", name: "n1" };
const DEVICE = { uuid: "8e45a2ea-5364-4b0d-a252-bf8becaa606e", source: "crypto" };
const OK = { name: "crypto", type: "CRYPTO", endpoint: null, status: "OK", observed_at: null, count: 1, error: null };
const HELLO: Hello = {
  ...{ status: "READY", endpoint: "127.0.0.1:9", node: NODE, api: { min: "1.0", max: "1.0" } },
  ...{ generation: "g1", boot_id: "b1" },
};
const SELF = { id: "0b1c2d3e-4f50-4162-8374-9586a7b8c9d0" };

describe.each(databases)("a conductor started again on $name", ({ open }) => {
  let database: Awaited<ReturnType<typeof open>>;
  let db: Awaited<ReturnType<typeof openDatabase>>;
  let conductor: Conductor;
  let asked: (string | null)[];
  let answer: () => Promise<Response>;
  let clock: ReturnType<typeof virtualWorld>;

  const start = async () => {
    clock = virtualWorld(async (_, init) => {
      asked.push(new Headers(init?.headers).get("if-none-match"));
      return answer();
    });
    conductor = await createConductorTier({ ...alone(), db, world: clock.world, leaseSeconds: 12, self: SELF });
    await conductor.start();
    asked = [];
  };
  const freshness = async () => JSON.parse((await conductor.hardware({}, { limit: 10 })).text).hardware[0]?.freshness;
  const becomes = async (value: string) => {
    for (const end = performance.now() + 5000; (await freshness()) !== value && performance.now() < end; )
      await clock.advance(0);
    expect(await freshness()).toBe(value);
  };

  beforeEach(async () => {
    asked = [];
    answer = async () => Response.json({ hardware: [DEVICE], sources: [OK], generation: "g1" });
    database = await open();
    db = await openDatabase(database.url);
    await start();
    await conductor.hello(HELLO, VISITOR);
    await becomes("FRESH");
  });
  afterEach(async () => {
    await conductor.stop();
    await db.close();
    await database.close();
  });

  test("asks no agent that says it still is what is stored", async () => {
    await conductor.settled();
    await conductor.stop();
    await start();
    await conductor.hello(HELLO, VISITOR);
    await conductor.settled();
    expect(asked).toEqual([]);
    expect(await freshness()).toBe("FRESH");
    await conductor.hello({ ...HELLO, generation: "g2" }, VISITOR);
    await conductor.settled();
    expect(asked).toEqual(['W/"g1"']);
  });

  test("asks an agent for all of it whose devices were shown as old", async () => {
    answer = () => Promise.reject(new Error("refused"));
    await conductor.hello({ ...HELLO, generation: "g2" }, VISITOR);
    await becomes("STALE");
    await conductor.stop();
    answer = async () => Response.json({ hardware: [DEVICE], sources: [OK], generation: "g1" });
    await start();
    await conductor.hello(HELLO, VISITOR);
    await becomes("FRESH");
    expect(asked).toEqual([null]);
  });
});
