import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createConductor, openDatabase, type Tier } from "../../src/index.ts";
import { CARD, NODE } from "../support/tiers.ts";
import { virtualWorld } from "../support/world.ts";

const TTL = 12;

describe("a hello that says the same again", () => {
  let folder: string;
  let db: Awaited<ReturnType<typeof openDatabase>>;
  let tier: Tier;
  let clock: ReturnType<typeof virtualWorld>;
  /** How often a hello was looked at: each time its endpoint's name is resolved. */
  let looked: number;
  let generation: string;

  const say = async (more: object = {}, headers: Record<string, string> = {}, remoteAddress = "127.0.0.1") => {
    const body = JSON.stringify({
      ...{ status: "READY", endpoint: "agent.test:1337", node: NODE, api: { min: "1.0", max: "1.0" } },
      ...{ generation, boot_id: "b1", ...more },
    });
    const known = { "content-type": "application/json", "content-length": String(body.length) };
    const request = new Request("http://localhost/hello", {
      method: "POST",
      headers: { ...known, ...headers },
      body,
    });
    const response = await tier.fetch(request, { remoteAddress });
    return { status: response.status, headers: [...response.headers], text: await response.text() };
  };
  const node = async () => {
    const { nodes } = (await (await tier.fetch(new Request("http://localhost/nodes"))).json()) as {
      nodes: { state: string; last_seen: string; generation: string }[];
    };
    return nodes[0];
  };
  const becomes = async (field: "state" | "generation", value: string, passing = 0) => {
    for (const end = performance.now() + 5000; (await node())?.[field] !== value && performance.now() < end; )
      await clock.advance(passing);
    expect((await node())?.[field]).toBe(value);
  };
  /** Says it until it is not looked at any more: what it told of was pulled. */
  const settled = async () => {
    await say();
    await becomes("generation", generation);
    await say();
    const before = looked;
    await say();
    expect(looked).toBe(before);
  };

  beforeEach(async () => {
    looked = 0;
    generation = "g1";
    clock = virtualWorld(async () => Response.json({ hardware: [CARD], sources: [], generation }));
    const resolve = async () => {
      looked += 1;
      return ["127.0.0.1"];
    };
    folder = await mkdtemp(join(tmpdir(), "sinew-repeat-"));
    db = await openDatabase(`sqlite:${join(folder, "sinew.sqlite")}`);
    tier = await createConductor({ auth: "open", db, world: { ...clock.world, resolve }, leaseSeconds: TTL });
    await tier.start();
  });
  afterEach(async () => {
    await tier.stop();
    await db.close();
    await rm(folder, { recursive: true });
  });

  test("is answered alike without being looked at, and renews the lease", async () => {
    await settled();
    const first = await say();
    for (let passed = 0; passed < 3 * TTL; passed += 3) {
      await clock.advance(3000);
      expect(await say()).toEqual(first);
    }
    expect(first.status).toBe(200);
    expect(Object.fromEntries(first.headers)).toMatchObject({ "sinew-api-version": "1.0" });
    expect((await node())?.state).toBe("LIVE");
    expect((await node())?.last_seen).toBe(clock.world.now().toISOString());
  });

  test.each([
    ["other words", () => say({ node: { ...NODE, labels: { site: "a" } } })],
    ["another address", () => say({}, {}, "127.0.0.2")],
    ["another credential", () => say({}, { authorization: "Bearer x.y" })],
    ["another content type", () => say({}, { "content-type": "application/json; charset=utf-8" })],
  ])("is looked at with %s", async (_, other) => {
    await settled();
    const before = looked;
    expect((await other()).status).toBe(200);
    expect(looked).toBe(before + 1);
  });

  test("is looked at after a minute, as a name may mean another address by then", async () => {
    await settled();
    const before = looked;
    for (let passed = 0; passed <= 61_000; passed += 4_000) {
      await clock.advance(4_000);
      await say();
    }
    expect(looked).toBe(before + 1);
  });

  test("makes a node that was given up LIVE", async () => {
    await settled();
    await becomes("state", "LOST", 2_000);
    expect((await say()).status).toBe(200);
    await becomes("state", "LIVE");
  });

  test("is looked at when the node has said something else meanwhile", async () => {
    await settled();
    expect((await say({ status: "LEAVING" })).status).toBe(200);
    expect((await node())?.state).toBe("LEFT");
    expect((await say()).status).toBe(200);
    expect((await node())?.state).toBe("LIVE");
  });

  test("is refused where another run of the machine says to be the node", async () => {
    await settled();
    expect((await say({ boot_id: "b2" })).status).toBe(200);
    expect((await say()).status).toBe(409);
  });

  test("is invalid where it is not valid or not whole, as any other", async () => {
    await settled();
    const { status } = await say({ name: 7 });
    expect(status).toBe(400);
    const broken = new Request("http://localhost/hello", {
      method: "POST",
      headers: { "content-type": "application/json", "content-length": "10" },
      body: new ReadableStream({ pull: (controller) => controller.error(new Error("cut")) }),
    });
    expect((await tier.fetch(broken, { remoteAddress: "127.0.0.1" })).status).toBe(400);
  });
});
