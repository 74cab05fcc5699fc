import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { makeNodeKey, readNodeKey } from "../../../../src/auth/node-key.ts";
import { memoryTokens, newSecret, newTokenId, sha256 } from "../../../../src/auth/token.ts";
import { openLink } from "../../../../src/client/link/handshake.ts";
import type { Change } from "../../../../src/contract/change.ts";
import { openDatabase } from "../../../../src/db/database.ts";
import { type Conductor, createConductorTier } from "../../../../src/tiers/conductor/conductor.ts";
import { memoryPair } from "../../../client/link/sockets.ts";
import { alone, VISITOR } from "../../../support/callers.ts";
import { databases } from "../../../support/databases.ts";
import { virtualWorld } from "../../../support/world.ts";

const NODE = { id: "6f1a3f0e-9f57-4c8e-8f5e-0d0c1a2b3c4d", name: "n1" };
const CARD = { uuid: "0a54bd3b-08bb-4b8a-9c51-5dcfd1b4f6c1", source: "crypto", name: "Card" };
/** Seconds: a second key is shown for ten minutes. */
const [LEASE, STEP, TEN_MINUTES] = [60, 10, 620];

describe.each(databases)("a node that a second key has wanted to be, on $name", ({ open }) => {
  let database: Awaited<ReturnType<typeof open>>;
  let db: Awaited<ReturnType<typeof openDatabase>>;
  let clock: ReturnType<typeof virtualWorld>;
  let conductor: Conductor;
  let right: Awaited<ReturnType<typeof machine>>;
  let thief: typeof right;
  const tokens = memoryTokens();

  beforeEach(async () => {
    database = await open();
    db = await openDatabase(database.url);
    clock = virtualWorld();
    conductor = await started();
    [right, thief] = [await machine(), await machine()];
    await right.join();
    await right.link();
  });
  afterEach(async () => {
    await conductor.stop();
    await db.close();
    await database.close();
  });

  async function started() {
    const one = await createConductorTier({ ...alone(), tokens, db, world: clock.world, leaseSeconds: LEASE });
    await one.start();
    return one;
  }

  /** With a key of its own, and the id of the one node. */
  async function machine() {
    const key = await readNodeKey(await makeNodeKey());
    const api = { min: "1.0", max: "1.0" };
    const from = { caller: { role: "agent", name: "node", node: NODE.id }, remoteAddress: null } as const;
    return {
      async join() {
        const id = newTokenId();
        const secret = { hash: await sha256(newSecret()), created_at: "2026-01-01T00:00:00Z", expires_at: null };
        await tokens.add({ id, role: "agent", name: null, bound_to: null, uses_left: 1, ...secret });
        const proof = await key.sign({ sub: NODE.id, aud: `join ${id}`, nonce: "join", boot: "b1" });
        const caller = { role: "agent", name: "joining", token: id } as const;
        return conductor.join({ node: NODE, proof }, { ...VISITOR, caller });
      },
      async link() {
        const [near, far] = memoryPair();
        conductor.accept(far);
        await openLink(near, {
          prove: ({ nonce, conductor }) => key.sign({ sub: NODE.id, aud: `link ${conductor}`, nonce, boot: "b1" }),
          handle: () =>
            Response.json({
              hardware: [{ ...CARD, acc_specs: { remote: 0, num: 1, device_type: "CRYPTO" } }],
              ...{ sources: [], generation: "g1" },
            }),
          world: clock.world,
        });
      },
      async hello(status: "READY" | "LEAVING" = "READY") {
        await conductor.hello({ status, endpoint: ":1", node: NODE, api, generation: "g1", boot_id: "b1" }, from);
        await conductor.settled();
      },
    };
  }

  async function pass(seconds: number, each: () => Promise<unknown> = async () => {}) {
    for (let passed = 0; passed < seconds; passed += STEP) {
      await clock.advance(STEP * 1000);
      await db.write(async () => {});
      await clock.settle();
      await each();
    }
  }

  const node = async () => (await conductor.nodes({}, { limit: 10 })).nodes[0];
  const shown = async () => {
    const found = await node();
    return [found?.state, ...(found?.conditions ?? []).map(({ reason }) => reason)];
  };
  /** What is due is written by a database that knows nothing of the virtual clock. */
  async function becomes(...wanted: string[]) {
    const end = performance.now() + 10_000;
    while (!Bun.deepEquals(await shown(), wanted) && performance.now() < end) await pass(STEP);
    expect(await shown()).toEqual(wanted);
  }
  async function changes(kind: Change["kind"]): Promise<Change[]> {
    const page: { changes: Change[] } = JSON.parse(await conductor.changes(0, { limit: 1000 }));
    return page.changes.filter((change) => change.kind === kind);
  }
  const states = async () => (await changes("state")).map(({ state }) => state);
  const refused = () => expect(thief.join()).rejects.toThrow("two keys claim to be node");

  test("before it said hello for the first time is LIVE when that is over: it was heard all the while, and nothing is STALE", async () => {
    await pass(STEP);
    await refused();
    expect(await shown()).toEqual(["CONFLICT", "TwoKeys"]);
    await pass(STEP);
    await right.hello();
    const first = clock.world.now().toISOString();
    expect(await shown()).toEqual(["CONFLICT", "TwoKeys"]);
    await pass(TEN_MINUTES, () => right.hello());
    await becomes("LIVE");
    expect((await states()).filter((state, at, all) => state !== all[at - 1])).toEqual([
      "EXPECTED",
      "CONFLICT",
      "LIVE",
    ]);
    expect(await changes("added")).toHaveLength(1);
    expect(await changes("changed")).toEqual([]);
    expect((await node())?.first_seen).toBe(first);
  });

  test("and that was never heard is EXPECTED again, also where its conductor was restarted meanwhile", async () => {
    await refused();
    await pass(TEN_MINUTES);
    await becomes("EXPECTED");
    await refused();
    await conductor.stop();
    conductor = await started();
    expect(await shown()).toEqual(["CONFLICT", "TwoKeys"]);
    await pass(3 * LEASE);
    await becomes("EXPECTED");
  });

  test("and that leaves has left, for good; what comes back is LIVE, in no conflict", async () => {
    await right.hello();
    await refused();
    await right.hello("LEAVING");
    expect(await shown()).toEqual(["LEFT"]);
    await right.hello();
    expect(await shown()).toEqual(["LIVE"]);
    await refused();
    await right.hello("LEAVING");
    await pass(TEN_MINUTES);
    expect(await shown()).toEqual(["LEFT"]);
  });

  test("while it was away says so when it is back, too, and is LIVE in the end", async () => {
    await right.hello();
    await right.hello("LEAVING");
    await refused();
    expect(await shown()).toEqual(["CONFLICT", "TwoKeys"]);
    await right.hello();
    expect(await shown()).toEqual(["CONFLICT", "TwoKeys"]);
    await pass(TEN_MINUTES, () => right.hello());
    await becomes("LIVE");
    expect(await states()).not.toContain("LOST");
  });

  test("and that falls silent meanwhile is LOST, and in conflict with its reason again where it is heard before that is over", async () => {
    await right.hello();
    await refused();
    await pass(3 * LEASE);
    await becomes("LOST", "TwoKeys");
    await right.hello();
    expect(await shown()).toEqual(["CONFLICT", "TwoKeys"]);
    await pass(TEN_MINUTES, () => right.hello());
    await becomes("LIVE");
  });
});
