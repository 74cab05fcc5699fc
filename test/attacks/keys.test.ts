import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { databases } from "../support/databases.ts";
import { until } from "../support/process.ts";
import { askToJoin, falseAgent, helloOf, makeLab, newKey, type Started } from "./support.ts";

describe.each(databases)("a node's key, on $name", ({ name, open }) => {
  const lab = makeLab();
  let database: Awaited<ReturnType<typeof open>>;
  let conductor: Started;
  /** Another conductor of the same fleet, where the database allows one. */
  let other: Started;

  beforeAll(async () => {
    database = await open();
    [conductor, other] = await startConductors();
  });
  async function startConductors(): Promise<[Started, Started]> {
    const first = await lab.startConductor("c", ["--db", database.url]);
    return [first, name === "postgres" ? await lab.startConductor("c2", ["--db", database.url]) : first];
  }
  afterAll(async () => {
    await lab.close();
    await database.close();
  });

  const invite = async (bound_to?: string, uses?: number | null, at = conductor) =>
    (
      await lab.makeToken(at, {
        role: "agent",
        ...(bound_to ? { bound_to } : {}),
        ...(uses === undefined ? {} : { uses }),
      })
    ).credential;
  async function joined(name: string) {
    const node = { id: crypto.randomUUID(), name, key: await newKey() };
    const credential = await invite();
    expect((await askToJoin(lab, conductor, credential, node)).status).toBe(200);
    return { ...node, credential };
  }
  const detail = async (response: Response) => ({
    status: response.status,
    detail: ((await response.json()) as { detail: string }).detail,
  });
  const card = (uuid = crypto.randomUUID()) => ({
    answer: () =>
      Response.json({
        hardware: [{ uuid, source: "crypto", acc_specs: { remote: 0, num: 1, device_type: "CRYPTO" } }],
        sources: [],
        generation: "1",
      }),
  });

  test("is asked for: no hello in plain HTTP is taken for its node, not even an operator's", async () => {
    const node = await joined("n1");
    const before = await lab.node(conductor, node.id);
    for (const at of [conductor, other]) {
      const asked = await lab.ask(at, "/hello", {
        body: { ...helloOf(node.id, "n1"), endpoint: "http://127.0.0.1:1", status: "LEAVING" },
      });
      expect(await detail(asked)).toMatchObject({ status: 403, detail: expect.stringContaining("its own link alone") });
    }
    expect(await lab.node(conductor, node.id)).toEqual(before);
    if (name !== "postgres") return;
    // Nor where anybody may say it: at a conductor of the fleet without credentials.
    const open = await lab.start("conductor", "c3", ["--db", database.url, "--auth", "open"]);
    const body = { ...helloOf(node.id, "n1"), endpoint: "http://127.0.0.1:1" };
    for (const token of [undefined, "wrong.one"]) expect(await lab.status(open, "/hello", { token, body })).toBe(403);
    expect(await lab.node(conductor, node.id)).toEqual(before);
    await open.stop("SIGTERM");
  });

  test("joins again with a token that it has used up, if the answer was lost; no other key does, nor makes a conflict", async () => {
    const node = await joined("n0");
    expect((await askToJoin(lab, conductor, node.credential, node)).status).toBe(200);
    const thief = { ...node, key: await newKey() };
    expect((await askToJoin(lab, conductor, node.credential, thief)).status).toBe(401);
    expect((await lab.node(conductor, node.id))?.conditions).toEqual([]);
    expect((await askToJoin(lab, conductor, node.credential, { ...thief, id: crypto.randomUUID() })).status).toBe(401);
  });

  test("is one node's: with another node's id it is 409, which names its node", async () => {
    const node = await joined("n2");
    const copy = { ...node, id: crypto.randomUUID(), name: "n2-copy" };
    const asked = await detail(await askToJoin(lab, conductor, await invite(), copy));
    expect(asked.status).toBe(409);
    expect(asked.detail).toContain(`${node.id} (n2)`);
    expect(await lab.node(conductor, copy.id)).toBeUndefined();
  });

  test("cannot be replaced by a second key: 409, CONFLICT, both named, and the right one goes on", async () => {
    const node = await joined("n3");
    const agent = falseAgent(lab, conductor, { ...node, ...card() });
    await agent.up;
    expect((await agent.ask("/hello", helloOf(node.id, "n3"))).status).toBe(200);
    await until(async () => (await lab.devices(conductor, `?node=${node.id}`)).length === 1);
    const thief = { ...node, key: await newKey() };
    for (const at of [conductor, other]) {
      // Twice: the conflict that the first one makes is no way in for the second.
      for (let turn = 0; turn < 2; turn += 1) {
        const asked = await detail(await askToJoin(lab, at, await invite(node.id, null), thief));
        expect(asked.status).toBe(409);
        // A copy is told to be another node, before it is told how to become this one.
        expect(asked.detail).toMatch(/`--node-id` and a `--node` of its own.*sinew node rekey/);
        for (const { thumbprint } of [node.key, thief.key]) expect(asked.detail).toContain(thumbprint);
      }
    }
    const shown = await lab.node(conductor, node.id);
    expect(shown).toMatchObject({ state: "CONFLICT", key: node.key.thumbprint });
    expect(shown?.conditions?.[0]).toMatchObject({ type: "IdentityUnique", status: "false", reason: "TwoKeys" });
    expect((await agent.ask("/hello", helloOf(node.id, "n3", "2"))).status).toBe(200);
    await until(async () =>
      (await lab.devices(conductor, `?node=${node.id}`)).every(({ freshness }) => freshness === "FRESH"),
    );
    const link = falseAgent(lab, conductor, thief);
    await until(() => link.logged.some((line) => line.includes("not known here by this key")));
    link.stop();
    // Whoever knows says which is right.
    expect(await lab.status(conductor, `/nodes/${node.id}/rekey`, { method: "POST" })).toBe(204);
    expect((await askToJoin(lab, conductor, await invite(node.id), thief)).status).toBe(200);
    await until(async () => (await lab.node(conductor, node.id))?.conditions?.length === 0);
    agent.stop();
  });

  test("a token that is bound to a name makes nobody another node that is away", async () => {
    const node = await joined("n4");
    const reusable = await invite("thief", null);
    const thief = { ...node, name: "thief", key: await newKey() };
    expect(await detail(await askToJoin(lab, conductor, reusable, thief))).toEqual({
      status: 403,
      detail: `this token is for node thief, got node ${node.id} (n4)`,
    });
    expect((await lab.node(conductor, node.id))?.key).toBe(node.key.thumbprint);
    // Nor one whose key has been forgotten.
    await lab.ask(conductor, "/nodes/n4/rekey", { method: "POST" });
    expect((await askToJoin(lab, conductor, reusable, thief)).status).toBe(403);
    expect((await askToJoin(lab, conductor, await invite("n4"), node)).status).toBe(200);
  });

  test("whose node has a name keeps it: no other joins or says hello as that one", async () => {
    const victim = await joined("victim");
    const attacker = await joined("mallory");
    const taken = { status: 403, detail: expect.stringContaining(`victim is the name of node ${victim.id}`) };
    const second = { id: crypto.randomUUID(), name: "victim", key: await newKey() };
    const credential = await invite();
    expect(await detail(await askToJoin(lab, other, credential, second))).toEqual(taken);
    expect(await lab.node(conductor, second.id)).toBeUndefined();
    // That has used up nothing.
    expect((await askToJoin(lab, other, credential, { ...second, name: "spare" })).status).toBe(200);
    const agent = falseAgent(lab, conductor, { ...attacker, ...card() });
    await agent.up;
    expect((await agent.ask("/hello", helloOf(attacker.id, "victim"))).status).toBe(403);
    // Lists choose by ids, too: what it has would be shown as the other one's.
    for (const name of [victim.id, victim.id.toUpperCase()]) {
      expect((await agent.ask("/hello", helloOf(attacker.id, name))).status).toBe(403);
      const third = { id: crypto.randomUUID(), name, key: await newKey() };
      const refused = { status: 403, detail: expect.stringContaining("the id of another node") };
      expect(await detail(await askToJoin(lab, other, await invite(), third))).toEqual(refused);
    }
    expect((await agent.ask("/hello", helloOf(attacker.id, "mallory"))).status).toBe(200);
    agent.stop();
    // Nor by a token that is bound to a node, in the seed's way.
    const seed = crypto.randomUUID();
    const body = { ...helloOf(seed, "victim"), endpoint: "http://127.0.0.1:1" };
    expect(await detail(await lab.ask(conductor, "/hello", { token: await invite(seed), body }))).toEqual(taken);
    // Two of one name at the same moment: one of them is told.
    const twins = await Promise.all(
      [conductor, other].map(async (at) =>
        askToJoin(lab, at, await invite(), { id: crypto.randomUUID(), name: "twin", key: await newKey() }),
      ),
    );
    expect(twins.map(({ status }) => status).sort()).toEqual([200, 403]);
    expect((await lab.nodes(conductor)).filter(({ name }) => name === "twin")).toHaveLength(1);
    // The machine was replaced: its name is free once its key is forgotten, and the old one may come by another.
    await lab.ask(conductor, "/nodes/victim/rekey", { method: "POST" });
    const next = { id: crypto.randomUUID(), name: "victim", key: await newKey() };
    expect((await askToJoin(lab, conductor, await invite(), next)).status).toBe(200);
    expect((await askToJoin(lab, conductor, await invite(), victim)).status).toBe(403);
    expect((await askToJoin(lab, conductor, await invite(), { ...victim, name: "former" })).status).toBe(200);
    expect((await lab.node(conductor, victim.id))?.name).toBe("former");
  });

  test("which has joined passes for no node that is expected, and is another", async () => {
    const node = await joined("found");
    const expect_ = (nodes: unknown[]) => lab.status(conductor, "/nodes/expected", { method: "PUT", body: { nodes } });
    const agent = falseAgent(lab, conductor, { ...node, ...card() });
    await agent.up;
    const named = async (name: string) => (await agent.ask("/hello", helloOf(node.id, name))).status;
    expect(await expect_([{ name: "rack7", id: crypto.randomUUID() }, { name: "rack8" }])).toBe(200);
    expect(await named("rack7")).toBe(403);
    expect(await expect_([{ name: "found" }, { name: "rack8" }])).toBe(200);
    expect(await named("rack8")).toBe(403);
    expect(await expect_([{ name: "rack7", id: node.id.toUpperCase() }, { name: "rack8" }])).toBe(200);
    expect(await named("rack8")).toBe(403);
    expect(await named("rack7")).toBe(200);
    // One that is expected by its name alone, and by no other, is whoever is called so.
    expect(await expect_([{ name: "rack8" }])).toBe(200);
    expect(await named("rack8")).toBe(200);
    expect(await named("found")).toBe(200);
    expect((await lab.nodes(conductor)).filter(({ name }) => name === "rack8")).toMatchObject([{ state: "EXPECTED" }]);
    await expect_([]);
    agent.stop();
  });

  test("a copied link's proof is of no use for a join, nor one for another token or node", async () => {
    const credential = await invite();
    const node = { id: crypto.randomUUID(), name: "n5", key: await newKey() };
    const wrong = [
      { ...node, aud: `link ${crypto.randomUUID()}` },
      { ...node, aud: "join 0123456789ab" },
      { ...node, sub: crypto.randomUUID() },
    ];
    for (const one of wrong) expect((await askToJoin(lab, conductor, credential, one)).status).toBe(401);
    expect((await askToJoin(lab, conductor, credential, node)).status).toBe(200);
  });

  test("that was forgotten with its node opens nothing, not even the link that is still held", async () => {
    const node = await joined("n20");
    const agent = falseAgent(lab, other, node);
    await agent.up;
    expect((await agent.ask("/hello", helloOf(node.id, "n20"))).status).toBe(200);
    expect(await lab.status(conductor, "/nodes/n20", { method: "DELETE" })).toBe(409);
    const leaving = { ...helloOf(node.id, "n20"), status: "LEAVING" };
    expect((await agent.ask("/hello", leaving)).status).toBe(200);
    await until(async () => (await lab.node(conductor, node.id))?.state === "LEFT");
    expect(await lab.status(conductor, "/nodes/n20", { method: "DELETE" })).toBe(204);
    // At once, wherever its link is: what it says makes it no node.
    expect([401, 0]).toContain((await agent.ask("/hello", helloOf(node.id, "n20"))).status);
    await until(() => agent.logged.some((line) => line.includes("join again with a new token")));
    agent.stop();
    expect(await lab.node(conductor, node.id)).toBeUndefined();
    expect((await askToJoin(lab, conductor, await invite("n20"), node)).status).toBe(200);
    const back = falseAgent(lab, other, node);
    await back.up;
    expect((await back.ask("/hello", helloOf(node.id, "n20"))).status).toBe(200);
    back.stop();
  });

  test("that is taken back at one conductor closes the link that another one holds", async () => {
    const node = await joined("n6");
    const agent = falseAgent(lab, other, node);
    await agent.up;
    expect((await agent.ask("/hello", helloOf(node.id, "n6"))).status).toBe(200);
    expect(await lab.status(conductor, "/nodes/n6/rekey", { method: "POST" })).toBe(204);
    await until(() => agent.logged.some((line) => line.includes("no longer valid here")), 5000);
    await until(() => agent.logged.some((line) => line.includes("not known here by this key")));
    expect((await agent.ask("/hello", helloOf(node.id, "n6"))).status).toBe(0);
    agent.stop();
    // With a new one it is heard again, at either, and no hello without it.
    const again = { ...node, key: await newKey() };
    expect((await askToJoin(lab, conductor, await invite("n6"), again)).status).toBe(200);
    const back = falseAgent(lab, other, again);
    await back.up;
    expect((await back.ask("/hello", helloOf(node.id, "n6"))).status).toBe(200);
    const plain = { ...helloOf(node.id, "n6"), endpoint: "http://127.0.0.1:1" };
    await until(async () => (await lab.status(other, "/hello", { body: plain })) === 403);
    // A key that changes has every conductor look at its links: this one stays.
    const second = await joined("n7");
    const beside = falseAgent(lab, other, second);
    await beside.up;
    expect(await lab.status(conductor, "/nodes/n7/rekey", { method: "POST" })).toBe(204);
    await until(() => beside.logged.some((line) => line.includes("no longer valid here")), 5000);
    beside.stop();
    expect((await back.ask("/hello", helloOf(node.id, "n6"))).status).toBe(200);
    expect(back.logged.filter((line) => line.includes("no longer valid"))).toEqual([]);
    back.stop();
  });

  test("that is copied: two boots that take turns are CONFLICT, and both are named", async () => {
    const node = await joined("n8");
    const boots = ["boot-a", "boot-b"] as const;
    const agents = boots.map((bootId) => falseAgent(lab, conductor, { ...node, bootId }));
    await until(async () => (await lab.node(conductor, node.id))?.state === "CONFLICT", 20_000);
    const [told] = (await lab.node(conductor, node.id))?.conditions ?? [];
    for (const boot of boots) expect(told?.message).toContain(boot);
    for (const agent of agents) agent.stop();
  });

  test("a token that is taken back is refused within two seconds, at every conductor", async () => {
    const { credential, id } = await lab.makeToken(conductor, { role: "viewer" });
    for (const at of [conductor, other]) expect(await lab.status(at, "/nodes", { token: credential })).toBe(200);
    expect(await lab.status(conductor, `/tokens/${id}`, { method: "DELETE" })).toBe(204);
    await until(async () => {
      const found = await Promise.all([conductor, other].map((at) => lab.status(at, "/nodes", { token: credential })));
      return found.every((status) => status === 401);
    }, 2000);
  });
});
