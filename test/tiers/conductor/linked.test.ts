import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { makeNodeKey, readNodeKey } from "../../../src/auth/node-key.ts";
import { memoryTokens, newSecret, newTokenId, sha256 } from "../../../src/auth/token.ts";
import { openLink } from "../../../src/client/link/handshake.ts";
import type { Change } from "../../../src/contract/change.ts";
import { openDatabase } from "../../../src/db/database.ts";
import { type Conductor, createConductorTier } from "../../../src/tiers/conductor/conductor.ts";
import { memoryPair } from "../../client/link/sockets.ts";
import { alone, VISITOR } from "../../support/callers.ts";
import { databases } from "../../support/databases.ts";
import { virtualWorld } from "../../support/world.ts";

const NODE = { id: "6f1a3f0e-9f57-4c8e-8f5e-0d0c1a2b3c4d", name: "n1" };

describe.each(databases)("a node on a link that falls silent, on $name", ({ open }) => {
  let database: Awaited<ReturnType<typeof open>>;
  let db: Awaited<ReturnType<typeof openDatabase>>;
  let conductor: Conductor;

  beforeEach(async () => {
    database = await open();
    db = await openDatabase(database.url);
  });
  afterEach(async () => {
    await conductor.stop();
    await db.close();
    await database.close();
  });

  /** Joins, opens a link, says hello, and is not heard again; nor does its connection end. */
  async function silent(leaseSeconds: number | null, clock = virtualWorld()) {
    // A little time passes with everything that is done, as it does on a machine.
    let looked = 0;
    const monotonic = () => clock.world.monotonic() + ++looked / 1e6;
    const world = { ...clock.world, monotonic };
    const tokens = memoryTokens();
    conductor = await createConductorTier({ ...alone(), tokens, db, world, leaseSeconds });
    await conductor.start();
    const [id, key] = [newTokenId(), await readNodeKey(await makeNodeKey())];
    const secret = { hash: await sha256(newSecret()), created_at: world.now().toISOString(), expires_at: null };
    await tokens.add({ id, role: "agent", name: null, bound_to: null, uses_left: 1, ...secret });
    const boot = "b1";
    const proof = await key.sign({ sub: NODE.id, aud: `join ${id}`, nonce: "join", boot });
    const caller = { role: "agent", name: "joining", token: id } as const;
    await conductor.join({ node: NODE, proof }, { ...VISITOR, caller });
    const [near, far] = memoryPair();
    conductor.accept(far);
    await openLink(near, {
      prove: ({ nonce, conductor }) => key.sign({ sub: NODE.id, aud: `link ${conductor}`, nonce, boot }),
      handle: () => Response.json({ hardware: [], sources: [], generation: "g1" }),
      world,
    });
    const from = { caller: { role: "agent", name: "node", node: NODE.id }, remoteAddress: null } as const;
    const api = { min: "1.0", max: "1.0" };
    const ready = { status: "READY", endpoint: ":1", node: NODE, api, generation: "g1", boot_id: boot } as const;
    await conductor.hello(ready, from);
    await conductor.settled();
    near.flow(false);
    far.flow(false);
    return { pass: (seconds: number) => pass(clock, seconds) };
  }

  async function pass({ advance, settle }: ReturnType<typeof virtualWorld>, seconds: number) {
    for (let passed = 0; passed < seconds; passed += 1) {
      await advance(1000);
      await db.write(async () => {});
      await settle();
    }
  }

  async function states(): Promise<(string | null)[]> {
    const { changes }: { changes: Change[] } = JSON.parse(await conductor.changes(0, { limit: 100 }));
    return changes.filter(({ kind }) => kind === "state").map(({ state }) => state);
  }

  test.each([
    ["with a lease of its operator's", 4, 9],
    ["with a link's own", null, 91],
  ])(
    "is LOST after two leases, %s, and stays so: that its link is closed then is no sign of life",
    async (_, lease, seconds) => {
      const node = await silent(lease);
      const before = await states();
      expect(before.at(-1)).toBe("LIVE");
      await node.pass(seconds);
      // Real I/O does not wait for the virtual clock: what is due may take some steps more to be written.
      const end = performance.now() + 10_000;
      while ((await states()).at(-1) !== "LOST" && performance.now() < end) await node.pass(1);
      await node.pass(seconds);
      expect((await states()).slice(before.length)).toEqual(["LATE", "LOST"]);
    },
  );

  describe("where another conductor serves, too", () => {
    let another: Conductor;
    const elsewhere = async (clock: ReturnType<typeof virtualWorld>, leaseSeconds: number | null) => {
      another = await createConductorTier({ ...alone(), db, world: clock.world, leaseSeconds });
      await another.start();
    };
    afterEach(() => another.stop());
    const state = async () => (await another.nodes({}, { limit: 10 })).nodes[0]?.state;

    test("is not LOST for two leases of a link when its conductor loses its power, of which nobody tells it (found by simulation)", async () => {
      const clock = virtualWorld();
      await elsewhere(clock, null);
      // Its own clock stands still from here on.
      await silent(null);
      for (let second = 0; second < 85; second += 1) {
        await pass(clock, 1);
        expect(await state()).not.toBe("LOST");
      }
      expect((await another.conductors()).conductors).toHaveLength(1);
      const end = performance.now() + 10_000;
      while ((await state()) !== "LOST" && performance.now() < end) await pass(clock, 1);
      expect(await state()).toBe("LOST");
    });
  });
});
