import { afterEach, describe, expect, test } from "bun:test";
import { parseCidrs } from "../../src/client/address.ts";
import type { Hello } from "../../src/contract/hello.ts";
import { openDatabase } from "../../src/db/database.ts";
import { createAgentTier } from "../../src/tiers/agent/agent.ts";
import { createConductorTier } from "../../src/tiers/conductor/conductor.ts";
import type { Store, World } from "../../src/world.ts";
import { alone, VISITOR } from "../support/callers.ts";
import { databases } from "../support/databases.ts";
import { NODE, until } from "../support/tiers.ts";
import { virtualWorld } from "../support/world.ts";

const DIAL = parseCidrs("10.0.0.0/8,fd12::/16") ?? [];
const REMOTE = "10.0.0.9";
const visitor = (remoteAddress: string | null) => ({ ...VISITOR, remoteAddress });
const said = (endpoint: string, more: Partial<Hello> = {}): Hello => ({
  status: "READY",
  endpoint,
  name: "peer",
  api: { min: "1.0", max: "1.0" },
  ...more,
});

/** A world in which every call is written down, and what names resolve to can change. */
function watched(hosts: Record<string, string[]> = {}) {
  const calls: { url: string; addresses: readonly string[] | undefined }[] = [];
  const lookups: string[] = [];
  const { world } = virtualWorld(async (url, init) => {
    calls.push({ url, addresses: init?.addresses });
    return Response.json({ hardware: [], sources: [], generation: "g" });
  });
  const resolve: World["resolve"] = async (host) => {
    lookups.push(host);
    return hosts[host] ?? Promise.reject(new Error("ENOTFOUND"));
  };
  return { world: { ...world, resolve }, hosts, calls, lookups };
}

const memory = (): Store => {
  let kept: unknown = null;
  return {
    load: async () => kept,
    save: async (document) => {
      kept = JSON.parse(JSON.stringify(document));
    },
  };
};

const agentIn = (world: World, options: { dial?: typeof DIAL; store?: Store; endpoint?: string | null } = {}) =>
  createAgentTier({ node: NODE, drivers: [], world, store: memory(), endpoint: "http://10.0.0.1:1337", ...options });

const stops: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0)) await stop();
});

/** What came of a hello: "200", or the code and the detail. */
async function outcome(work: Promise<unknown>): Promise<string> {
  return work.then(
    () => "200",
    (error) => `${error.code} ${error.message}`,
  );
}

describe("a hello", () => {
  const NONE = "forbidden endpoint: expected a loopback address or one inside --dial (none is set), got";
  test.each([
    ["10.0.0.7", null, `${NONE} 10.0.0.7`],
    ["http://10.0.0.7:1337/a", "127.0.0.1", `${NONE} 10.0.0.7`],
    ["http://[fd12::1]:1337", "::1", `${NONE} [fd12::1]`],
    [":1337", "10.0.0.7", `${NONE} 10.0.0.7`],
    ["rack-1:1337", null, `${NONE} rack-1, which is 10.0.0.7`],
    ["localhost:1338", null, "200"],
    ["http://127.1:9", "127.0.0.1", "200"],
    ["http://[::ffff:127.0.0.1]:9", "::ffff:127.0.0.1", "200"],
    [":9", "::ffff:127.0.0.1", "200"],
    ["unix:/run/x.sock", null, "200"],
    ["unix:/run/x.sock", "::1", "200"],
    ["here:1338", "127.0.0.1", "200"],
  ])("that names %j from %j is answered %j where nothing is allowed", async (endpoint, from, expected) => {
    const { world } = watched({ "rack-1": ["10.0.0.7"], here: ["127.0.1.1"] });
    const agent = await agentIn(world);
    expect(await outcome(agent.hello(said(endpoint), visitor(from)))).toBe(expected);
  });

  test.each([
    ["http://10.0.0.7:1337", "200"],
    ["http://[::ffff:10.0.0.7]:1337", "200"],
    ["rack-1:1337", "200"],
    [":1337", "200"],
    ["http://11.0.0.7:1337", "forbidden"],
    ["localhost:5432", "forbidden"],
    ["http://127.0.0.1:5432", "forbidden"],
    ["http://2130706433:5432", "forbidden"],
    ["http://0x7f.1:5432", "forbidden"],
    ["http://[::1]:5432", "forbidden"],
    ["http://[::ffff:7f00:1]:5432", "forbidden"],
    ["here:5432", "forbidden"],
    ["both:1337", "forbidden"],
    ["unix:/run/docker.sock", "forbidden"],
    ["http://169.254.169.254/", "forbidden"],
    ["http://metadata/", "forbidden"],
    ["http://[::]:1337", "forbidden"],
    ["http://0:1337", "forbidden"],
    ["zoned:1337", "forbidden"],
    ["nowhere:1337", "invalid"],
    ["http://10.0.0.1:1337", "invalid"],
    ["http://10.0.0.1:1337/other", "invalid"],
    ["http://[::ffff:a00:1]:1337", "invalid"],
    ["me:1337", "invalid"],
    ["http://10.0.0.1:1338", "200"],
    ["http://10.0.0.7:0", "invalid"],
    ["file:///etc/passwd", "invalid"],
    ["data://x", "invalid"],
    ["s3://bucket", "invalid"],
  ])("that names %s from another machine is answered %s where networks are allowed", async (endpoint, expected) => {
    const { world, calls } = watched({
      "rack-1": ["10.0.0.7"],
      here: ["127.0.1.1"],
      both: ["10.0.0.7", "127.0.0.1"],
      metadata: ["169.254.169.254"],
      zoned: ["fe80::1%2"],
      me: ["10.0.0.1"],
    });
    const agent = await agentIn(world, { dial: DIAL });
    expect((await outcome(agent.hello(said(endpoint), visitor(REMOTE)))).split(" ")[0]).toBe(expected);
    const conductor = agent.startDiscovery();
    await agent.operation(conductor.uuid, 0);
    expect(calls.length > 0).toBe(expected === "200");
  });

  test.each(["http://127.0.0.1:1337", "localhost:1337", "http://0x7f.1:1337/", "http://[::1]:1337", "self:1337"])(
    "that names the tier's own listener as %s is refused",
    async (endpoint) => {
      const { world } = watched({ self: ["10.0.0.1"] });
      const wildcard = await agentIn(
        { ...world, host: async () => ({ name: "x", addresses: ["10.0.0.1"] }) },
        { dial: DIAL, endpoint: ":1337" },
      );
      expect(await outcome(wildcard.hello(said(endpoint), visitor("127.0.0.1")))).toStartWith(
        "invalid endpoint: expected the peer",
      );
    },
  );

  test("that comes from a name with a new address, or with another endpoint, is judged again", async () => {
    const { world, hosts, calls } = watched({ "rack-1": ["10.0.0.7"] });
    const agent = await agentIn(world, { dial: DIAL });
    await agent.hello(said("rack-1:1337"), visitor(REMOTE));
    hosts["rack-1"] = ["169.254.169.254"];
    expect(await outcome(agent.hello(said("rack-1:1337"), visitor(REMOTE)))).toStartWith("forbidden");
    expect(await outcome(agent.hello(said("127.0.0.1:5432"), visitor(REMOTE)))).toStartWith("forbidden");
    hosts["rack-1"] = ["10.0.0.8"];
    await agent.hello(said("rack-1:1337"), visitor(REMOTE));
    await until("the last call", async () => calls.length >= 2);
    expect(calls.map(({ url, addresses }) => [new URL(url).host, addresses])).toEqual([
      ["rack-1:1337", ["10.0.0.7"]],
      ["rack-1:1337", ["10.0.0.8"]],
    ]);
  });
});

test("an agent calls what it judged, whatever the name says afterwards", async () => {
  const { world, hosts, calls, lookups } = watched({ rebinding: ["10.0.0.7"] });
  const agent = await agentIn(world, { dial: DIAL });
  await agent.hello(said("rebinding:1337"), visitor(REMOTE));
  hosts.rebinding = ["127.0.0.1"];
  await until("its discovery", async () => (await agent.operation(agent.startDiscovery().uuid, 0)) && calls.length > 2);
  expect(new Set(calls.flatMap(({ addresses }) => addresses))).toEqual(new Set(["10.0.0.7"]));
  expect(lookups).toEqual(["rebinding"]);
});

test("an agent judges a stored driver again after a restart, and calls none that is no longer allowed", async () => {
  const store = memory();
  const first = watched({ moved: ["10.0.0.7"], turned: ["10.0.0.7"], here: ["127.0.1.1"] });
  const before = await agentIn(first.world, { dial: DIAL, store });
  for (const name of ["moved", "turned", "here"])
    await before.hello(said(`${name}:1`, { name }), visitor(name === "here" ? null : REMOTE));
  await before.hello(said("10.0.0.7:2", { name: "literal" }), visitor(REMOTE));
  await before.hello(said("127.0.0.1:3", { name: "local" }), visitor(null));
  await before.stop();

  const second = watched({ moved: ["10.0.0.8"], turned: ["127.0.0.1"], here: ["127.0.1.1"] });
  const world: World = { ...second.world, host: async () => ({ name: "Here", addresses: [] }) };
  const after = await agentIn(world, { dial: DIAL, store });
  await after.start();
  stops.push(() => after.stop());
  const called = second.calls.map(({ url, addresses }) => [new URL(url).host, addresses]);
  expect(called).toHaveLength(4);
  expect(called).toEqual(
    expect.arrayContaining([
      ["moved:1", ["10.0.0.8"]],
      ["here:1", ["127.0.1.1"]],
      ["10.0.0.7:2", undefined],
      ["127.0.0.1:3", undefined],
    ]),
  );
  const { sources } = after.page(100, undefined);
  expect(sources.find(({ name }) => name === "turned")?.error?.message).toContain("127.0.0.1");
  await after.stop();

  const third = watched({ moved: ["10.0.0.8"] });
  const narrowed = await agentIn(third.world, { store });
  await narrowed.start();
  stops.push(() => narrowed.stop());
  expect(third.calls.map(({ url }) => new URL(url).host)).toEqual(["127.0.0.1:3"]);
});

describe.each(databases)("a conductor on $name", ({ open }) => {
  test("judges what an agent names, calls what it judged, and judges again after a restart", async () => {
    const database = await open();
    const db = await openDatabase(database.url);
    stops.push(
      () => db.close(),
      () => database.close(),
    );
    const first = watched({ "rack-1": ["10.0.0.7"] });
    const before = await createConductorTier({
      ...alone(),
      db,
      world: first.world,
      dial: DIAL,
      endpoint: "http://10.0.0.1:1336",
    });
    await before.start();
    const node = { id: crypto.randomUUID(), name: "n1" };
    for (const endpoint of [
      "http://169.254.169.254/",
      "127.0.0.1:5432",
      "http://10.0.0.1:1336/agent",
      "http://8.8.8.8",
    ])
      expect(await outcome(before.hello(said(endpoint, { node }), visitor(REMOTE)))).toMatch(
        /^(forbidden|invalid) endpoint/,
      );
    // A seed agent, which is asked at once when a conductor starts again.
    expect(await before.hello(said("rack-1:1337", { node, api: undefined }), visitor(REMOTE))).toMatchObject({
      uuid: node.id,
    });
    first.hosts["rack-1"] = ["127.0.0.1"];
    await before.settled();
    expect(first.calls).toEqual([{ url: "http://rack-1:1337/hardware", addresses: ["10.0.0.7"] }]);
    await before.stop();

    const second = watched({ "rack-1": ["127.0.0.1"] });
    const after = await createConductorTier({ ...alone(), db, world: second.world, dial: DIAL });
    await after.start();
    stops.unshift(() => after.stop());
    await after.settled();
    expect(second.lookups).toContain("rack-1");
    expect(second.calls).toEqual([]);
  });
});
