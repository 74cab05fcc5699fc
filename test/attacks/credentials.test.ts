import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { HardwareList } from "../../src/contract/hardware.ts";
import { until } from "../support/process.ts";
import { askToJoin, falseAgent, helloOf, makeLab, newKey, type Started } from "./support.ts";

describe("a stolen credential", () => {
  const lab = makeLab();
  let conductor: Started;
  let agent: Started;

  beforeAll(async () => {
    [conductor, agent] = await Promise.all([
      lab.startConductor("c"),
      lab.start("agent", "n", ["--drivers", "gpu", "--sysfs", lab.path(), "--node", "n1"]),
    ]);
  });
  afterAll(() => lab.close());
  const fresh = async (name: string) => ({ id: crypto.randomUUID(), name, key: await newKey() });

  test("for joining is good for no other node, not twice, not later, not when taken back, and for nothing else", async () => {
    const once = await lab.makeToken(conductor, { role: "agent", bound_to: "n1" });
    expect((await askToJoin(lab, conductor, once.credential, await fresh("n2"))).status).toBe(403);
    for (const path of ["/hardware", "/nodes", "/tokens", "/audit", "/changes"])
      expect(await lab.status(conductor, path, { token: once.credential })).toBe(403);
    for (const path of ["/discovery", "/tokens", "/nodes/n1/rekey"])
      expect(await lab.status(conductor, path, { token: once.credential, body: {} })).toBe(403);
    expect((await askToJoin(lab, conductor, once.credential, await fresh("n1"))).status).toBe(200);
    expect((await askToJoin(lab, conductor, once.credential, await fresh("n1"))).status).toBe(401);
    const taken = await lab.makeToken(conductor, { role: "agent" });
    await lab.ask(conductor, `/tokens/${taken.id}`, { method: "DELETE" });
    expect((await askToJoin(lab, conductor, taken.credential, await fresh("n3"))).status).toBe(401);
    const short = await lab.makeToken(conductor, { role: "agent", ttl_seconds: 1 });
    const late = await fresh("n4");
    await until(async () => (await lab.status(conductor, "/nodes", { token: short.credential })) === 401, 3000);
    expect((await askToJoin(lab, conductor, short.credential, late)).status).toBe(401);
    expect((await lab.nodes(conductor)).map(({ name }) => name)).toEqual(["n1"]);
  });

  test("for joining says hello for its own node alone, and not once it is used up", async () => {
    const hello = (token: string, id: string, name: string) =>
      lab.status(conductor, "/hello", { token, body: { ...helloOf(id, name), endpoint: "http://127.0.0.1:9" } });
    const { credential } = await lab.makeToken(conductor, { role: "agent", bound_to: "seed1" });
    const unbound = await lab.makeToken(conductor, { role: "agent" });
    const [own, other] = [crypto.randomUUID(), crypto.randomUUID()];
    expect(await hello(lab.operatorOf("c"), other, "seed2")).toBe(200);
    expect(await hello(credential, own, "seed1")).toBe(200);
    // Another node is not one's own by calling it so.
    for (const name of ["seed1", "seed2"]) expect(await hello(credential, other, name)).toBe(403);
    expect(await hello(unbound.credential, other, "seed2")).toBe(403);
    expect((await lab.node(conductor, other))?.name).toBe("seed2");
    const node = { id: own, name: "seed1", key: await newKey() };
    expect((await askToJoin(lab, conductor, credential, node)).status).toBe(200);
    expect(await hello(credential, own, "seed1")).toBe(401);
  });

  test("of one tier is none at another, nor is its operator's", async () => {
    const { credential } = await lab.makeToken(conductor, { role: "admin" });
    for (const token of [credential, lab.operatorOf("c")])
      expect(await lab.status(agent, "/hardware", { token })).toBe(401);
    expect(await lab.status(conductor, "/hardware", { token: lab.operatorOf("n") })).toBe(401);
  });

  test("of a reader writes nothing", async () => {
    const { credential: token } = await lab.makeToken(conductor, { role: "viewer" });
    expect(await lab.status(conductor, "/hardware", { token })).toBe(200);
    const body = { role: "admin" };
    for (const path of ["/discovery", "/hello", "/tokens", "/join", "/nodes/n1/rekey"])
      expect(await lab.status(conductor, path, { token, body })).toBe(403);
    expect(await lab.status(conductor, "/tokens/x", { token, method: "DELETE" })).toBe(403);
    expect(await lab.status(conductor, "/audit", { token })).toBe(403);
  });

  test("of a driver neither reads, nor speaks for another driver, nor for a built-in one", async () => {
    const { credential: token } = await lab.makeToken(agent, { role: "driver", bound_to: "mine" });
    const { credential: another } = await lab.makeToken(agent, { role: "driver" });
    const hello = (name: string | undefined, how: string, port = 9) =>
      lab.status(agent, "/hello", {
        token: how,
        body: { status: "READY", endpoint: `http://127.0.0.1:${port}`, ...(name ? { name } : {}) },
      });
    for (const path of ["/hardware", "/tokens", "/audit"]) expect(await lab.status(agent, path, { token })).toBe(403);
    expect(await lab.status(agent, "/discovery", { token, method: "POST" })).toBe(403);
    expect(await hello("mine", token)).toBe(200);
    expect(await hello("other", token)).toBe(403);
    expect(await hello("gpu", token)).toBe(403);
    expect(await hello("mine", another)).toBe(403);
    expect(await hello("mine", another, 10)).toBe(403);
    // Without a name it is the one that its token is for.
    expect(await hello(undefined, token, 11)).toBe(200);
    expect(await hello("gpu", another)).toBe(200);
    const all = async () => HardwareList.parse(await (await lab.ask(agent, "/hardware")).json()).sources;
    await until(async () => (await all()).length === 3);
    const sources = await all();
    expect(sources.map(({ name, endpoint }) => [name, endpoint])).toEqual([
      ["gpu", expect.stringContaining("/drivers/gpu")],
      ["mine", "http://127.0.0.1:11"],
      ["gpu@http://127.0.0.1:9", "http://127.0.0.1:9"],
    ]);
  });

  test("that is guessed at is refused with 429, while a right one from the same address is let in", async () => {
    const guess = () => lab.ask(agent, "/tokens", { token: `${"0".repeat(12)}.${"A".repeat(43)}` });
    let last = await guess();
    for (let turn = 0; turn < 20 && last.status === 401; turn += 1) last = await guess();
    expect(last.status).toBe(429);
    expect(Number(last.headers.get("retry-after"))).toBeGreaterThan(0);
    expect(await lab.status(agent, "/tokens")).toBe(200);
  });
});

describe("a registered agent that lies", () => {
  const lab = makeLab();
  let conductor: Started;
  const card = (uuid: string, more: object) => ({
    uuid,
    source: "crypto",
    acc_specs: { remote: 0, num: 1, device_type: "CRYPTO" },
    ...more,
  });
  const report = (...hardware: object[]) => Response.json({ hardware, sources: [], generation: "1" });

  async function nodeWith(name: string, answer: () => Response) {
    const node = { id: crypto.randomUUID(), name, key: await newKey() };
    const { credential } = await lab.makeToken(conductor, { role: "agent" });
    expect((await askToJoin(lab, conductor, credential, node)).status).toBe(200);
    const agent = falseAgent(lab, conductor, {
      ...node,
      answer: (request) => (request.method === "GET" ? answer() : report()),
    });
    await agent.up;
    return { ...node, agent };
  }

  beforeAll(async () => {
    conductor = await lab.startConductor("c");
  });
  afterAll(() => lab.close());

  test("may do over its link nothing but say hello for itself", async () => {
    const { agent, id } = await nodeWith("liar", () => report());
    const other = crypto.randomUUID();
    expect((await agent.ask("/hello", helloOf(id, "liar"))).status).toBe(200);
    expect((await agent.ask("/hello", helloOf(other, "liar"))).status).toBe(403);
    expect((await agent.ask("/hello", { status: "READY", endpoint: "http://127.0.0.1:9" })).status).toBe(403);
    for (const path of ["/hardware", "/nodes", "/changes", "/tokens", "/audit", `/operations/${other}`])
      expect([path, (await agent.ask(path)).status]).toEqual([path, 403]);
    for (const path of ["/discovery", "/tokens", "/join", `/nodes/${id}/rekey`])
      expect([path, (await agent.ask(path, {})).status]).toEqual([path, 403]);
    expect((await agent.ask("/agent/hardware")).status).toBe(404);
    expect((await agent.ask("/link")).status).toBe(401);
    expect(await lab.node(conductor, other)).toBeUndefined();
    agent.stop();
  });

  test("reports for its own node alone: devices that name another are stored under its own, and others' stay", async () => {
    const uuid = crypto.randomUUID();
    const victim = await nodeWith("victim", () => report(card(uuid, { name: "true" })));
    expect((await victim.agent.ask("/hello", helloOf(victim.id, "victim"))).status).toBe(200);
    await until(async () => (await lab.devices(conductor, `?node=${victim.id}`)).length === 1);
    const before = await lab.devices(conductor, `?node=${victim.id}`);

    const lies = card(uuid, { name: "false", node: { id: victim.id, name: "victim" } });
    const liar = await nodeWith("liar2", () =>
      report(lies, card(crypto.randomUUID(), { node: { id: victim.id, name: "victim" } })),
    );
    expect((await liar.agent.ask("/hello", helloOf(liar.id, "liar2"))).status).toBe(200);
    await until(async () => (await lab.devices(conductor, `?node=${liar.id}`)).length === 2);
    const stored = await lab.devices(conductor, `?node=${liar.id}`);
    expect(stored.map(({ node, freshness }) => [node.id, node.name, freshness])).toEqual([
      [liar.id, "liar2", "FRESH"],
      [liar.id, "liar2", "FRESH"],
    ]);
    expect(await lab.devices(conductor, `?node=${victim.id}`)).toEqual(before);
    expect(await lab.status(conductor, `/hardware/${uuid}`)).toBe(409);
    // Its empty report, and its leaving, are its own, too.
    expect((await liar.agent.ask("/hello", { ...helloOf(liar.id, "liar2"), status: "LEAVING" })).status).toBe(200);
    expect(await lab.devices(conductor, `?node=${victim.id}`)).toEqual(before);
    expect((await lab.node(conductor, victim.id))?.state).toBe("LIVE");
    for (const { agent } of [victim, liar]) agent.stop();
  });

  test("is never shown a credential, and never called where it says that it is", async () => {
    const called: string[] = [];
    const trap = Bun.serve({
      hostname: "127.0.0.1",
      port: 0,
      fetch: (request) => new Response(String(called.push(request.url))),
    });
    const { agent, id } = await nodeWith("liar3", () => report());
    const body = { ...helloOf(id, "liar3"), endpoint: `http://127.0.0.1:${trap.port}` };
    expect((await agent.ask("/hello", body)).status).toBe(200);
    expect(await lab.status(conductor, "/discovery", { method: "POST", headers: { prefer: "wait=5" } })).toBe(200);
    expect(agent.asked.map(({ path }) => path)).toContain("/discovery");
    expect(agent.asked.filter(({ authorization }) => authorization !== null)).toEqual([]);
    expect((await lab.node(conductor, id))?.endpoint).toBeNull();
    expect(called).toEqual([]);
    agent.stop();
    await trap.stop(true);
  });
});
