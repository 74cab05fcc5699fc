import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { makeNodeKey, readNodeKey } from "../../../../src/auth/node-key.ts";
import { memoryTokens, newSecret, newTokenId, sha256 } from "../../../../src/auth/token.ts";
import type { Hello } from "../../../../src/contract/hello.ts";
import { SinewError } from "../../../../src/contract/problem.ts";
import { type Database, openDatabase } from "../../../../src/db/database.ts";
import { setKey } from "../../../../src/db/queries/keys.ts";
import { type Conductor, createConductorTier } from "../../../../src/tiers/conductor/conductor.ts";
import { createExpectation } from "../../../../src/tiers/conductor/expected/nodes.ts";
import type { World } from "../../../../src/world.ts";
import { alone, VISITOR } from "../../../support/callers.ts";
import { databases } from "../../../support/databases.ts";
import { CARD, quiet, until } from "../../../support/tiers.ts";
import { virtualWorld } from "../../../support/world.ts";

const uuid = (n: number) => `00000000-0000-4000-8000-${String(n).padStart(12, "0")}`;
const OK = { name: "crypto", type: null, endpoint: null, status: "OK", observed_at: null, count: 1, error: null };
const answer = () => Response.json({ hardware: [{ ...CARD, source: "crypto" }], sources: [OK], generation: "g1" });

describe.each(databases)("what becomes of names, and of who is forgotten, on $name", ({ open }) => {
  let database: Awaited<ReturnType<typeof open>>;
  let db: Database;
  const running: Conductor[] = [];
  const tokens = memoryTokens();

  beforeEach(async () => {
    database = await open();
    db = await openDatabase(database.url);
  });
  afterEach(async () => {
    for (const one of running.splice(0)) await one.stop();
    await db.close();
    await database.close();
  });

  async function start(name = "first", world: World = { ...quiet(), fetch: async () => answer() }) {
    const made = await createConductorTier({ ...alone(), tokens, db, world, self: { id: name, name } });
    running.push(made);
    await made.start();
    return made;
  }
  async function says(conductor: Conductor, n: number, { name = `n${n}`, status = "READY" as Hello["status"] } = {}) {
    const node = { id: uuid(n), name };
    const api = { min: "1.0", max: "1.0" };
    await conductor.hello({ status, endpoint: `127.0.0.1:${n}`, node, generation: "g1", api }, VISITOR);
    await conductor.settled();
  }
  const named = async (conductor: Conductor) =>
    (await conductor.nodes({}, { limit: 9 })).nodes.map(({ name, state }) => `${name} ${state}`).toSorted();

  test("a seed node that is forgotten while it is asked for its hardware stays forgotten, and is asked no more", async () => {
    let asked = 0;
    let reply = () => Promise.resolve(answer());
    const clock = virtualWorld(async () => {
      asked += 1;
      return reply();
    });
    const conductor = await start("first", clock.world);
    await conductor.hello({ status: "READY", endpoint: "127.0.0.1:9" }, VISITOR);
    await conductor.settled();
    reply = () => Promise.reject(new Error("refused"));
    const state = async () => (await conductor.nodes({}, { limit: 9 })).nodes[0]?.state;
    await until("it to be LOST", async () => {
      await clock.advance(2000);
      await conductor.settled();
      return (await state()) === "LOST";
    });
    const late = Promise.withResolvers<Response>();
    let waiting = false;
    reply = () => {
      waiting = true;
      return late.promise;
    };
    await until("the next question", async () => {
      if (!waiting) await clock.advance(2000);
      return waiting;
    });
    const [{ id } = { id: "" }] = (await conductor.nodes({}, { limit: 9 })).nodes;
    await conductor.forgetNode(id, "ada");
    const before = asked;
    late.resolve(answer());
    for (let passed = 0; passed < 100; passed += 5) {
      await clock.advance(5000);
      await conductor.settled();
    }
    expect(await named(conductor)).toEqual([]);
    expect(asked).toBe(before);
    // Said once more it is a new one.
    reply = () => Promise.resolve(answer());
    await conductor.hello({ status: "READY", endpoint: "127.0.0.1:9" }, VISITOR);
    await conductor.settled();
    expect(await state()).toBe("LIVE");
  });

  test("the name of a node that was forgotten is nobody's at another conductor, either", async () => {
    const first = await start();
    await says(first, 1);
    await first.patchNode(uuid(1), { name: "r7-03" }, "ada");
    await says(first, 2);
    // It knows the name, and has heard neither of them.
    const second = await start("second");
    for (const n of [1, 2]) await says(first, n, { status: "LEAVING" });
    await first.forgetNode(uuid(1), "ada");
    // By which it looks who else was.
    await second.forgetNode(uuid(2), "ada");
    await says(first, 3, { name: "r7-03" });
    await db.write((tx) => setKey(tx, uuid(3), null, "a-key"));
    await says(second, 1);
    expect(await named(first)).toEqual(["n1 LIVE", "r7-03 LIVE"]);
    expect((await first.node("n1")).said).toBeNull();
  });

  test("a node that calls itself otherwise is called so on its devices, and the feed says it of each", async () => {
    const conductor = await start();
    await says(conductor, 1);
    const since = await conductor.revision();
    await says(conductor, 1, { name: "other" });
    const hardware = async () => JSON.parse((await conductor.hardware({}, { limit: 9 })).text).hardware;
    expect(await hardware()).toMatchObject([{ uuid: CARD.uuid, node: { id: uuid(1), name: "other" } }]);
    const { changes } = JSON.parse(await conductor.changes(since, { limit: 9 }));
    expect(changes).toMatchObject([
      { kind: "changed", uuid: CARD.uuid, hardware: { node: { name: "other" }, freshness: "FRESH" } },
      { kind: "state", node: { name: "other" } },
    ]);
    // With its last words.
    await says(conductor, 1, { name: "last", status: "LEAVING" });
    expect(await hardware()).toMatchObject([{ node: { name: "last" }, freshness: "STALE" }]);
  });

  test("a join token for a node's name is good for it under the name that it was given, and for nobody else", async () => {
    const conductor = await start();
    await says(conductor, 1);
    await says(conductor, 2);
    await conductor.patchNode(uuid(1), { name: "r7-03" }, "ada");
    const join = async (n: number, bound: string) => {
      const [token, key] = [newTokenId(), await readNodeKey(await makeNodeKey())];
      const secret = { hash: await sha256(newSecret()), created_at: new Date().toISOString(), expires_at: null };
      await tokens.add({ id: token, role: "agent", name: null, bound_to: bound, uses_left: 1, ...secret });
      const proof = await key.sign({ sub: uuid(n), aud: `join ${token}`, nonce: "join", boot: "b1" });
      const caller = { role: "agent", name: "joining", token, node: bound } as const;
      return conductor.join({ node: { id: uuid(n), name: `n${n}` }, proof }, { ...VISITOR, caller }).then(
        ({ status }) => status as string,
        (error) => (error instanceof SinewError ? error.code : String(error)),
      );
    };
    for (const name of ["n1", "r7-03"]) expect(await join(2, name)).toBe("forbidden");
    expect(await join(1, "n1")).toBe("JOINED");
    expect(await named(conductor)).toEqual(["n2 LIVE", "r7-03 LIVE"]);
  });

  test("a join token for a node's name lets it say hello in the seed's way under the name that it was given", async () => {
    const conductor = await start();
    await says(conductor, 1);
    await conductor.patchNode(uuid(1), { name: "r7-03" }, "ada");
    const hello = (n: number, bound: string) => {
      const caller = { role: "join", name: "joining", token: "t", node: bound } as const;
      const node = { id: uuid(n), name: "n1" };
      return conductor.hello({ status: "READY", endpoint: "127.0.0.1:9", node }, { ...VISITOR, caller }).then(
        ({ status }) => status as string,
        (error) => (error instanceof SinewError ? error.code : String(error)),
      );
    };
    expect(await hello(1, "n2")).toBe("forbidden");
    for (const name of ["n1", "r7-03"]) expect(await hello(1, name)).toBe("REGISTERED");
  });

  test("what is given to a node that is expected, as it comes for the first time, is given to the node that came", async () => {
    const conductor = await start();
    const all = Array.from({ length: 12 }, (_, n) => n + 10);
    const expectation = createExpectation({ db, world: quiet() });
    await expectation.set(all.map((n) => ({ name: `n${n}` })));
    for (const n of all) {
      const given = conductor.patchNode(`n${n}`, { cordoned: true }, "ada").then(
        () => true,
        (error) => {
          // It came first.
          if (error instanceof SinewError && error.code === "not_found") return false;
          throw error;
        },
      );
      await says(conductor, n);
      const done = await given;
      expect(`n${n} ${(await conductor.node(uuid(n))).cordoned !== null}`).toBe(`n${n} ${done}`);
    }
  });
});
