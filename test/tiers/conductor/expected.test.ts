import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import type { Hello } from "../../../src/contract/hello.ts";
import { type Database, openDatabase } from "../../../src/db/database.ts";
import { changesSince } from "../../../src/db/queries/changes.ts";
import { type Conductor, createConductorTier } from "../../../src/tiers/conductor/conductor.ts";
import { createExpectation, type Expectation } from "../../../src/tiers/conductor/expected/nodes.ts";
import { alone, VISITOR } from "../../support/callers.ts";
import { databases } from "../../support/databases.ts";
import { quiet } from "../../support/tiers.ts";

const ID = "6f1a3f0e-9f57-4c8e-8f5e-0d0c1a2b3c4d";
const hello = (name: string, id = ID): Hello => ({
  ...{ status: "READY", endpoint: "127.0.0.1:9", node: { id, name }, generation: "g1" },
  api: { min: "1.0", max: "1.0" },
});

describe.each(databases)("expected nodes on $name", ({ open }) => {
  let database: Awaited<ReturnType<typeof open>>;
  let db: Database;
  let conductor: Conductor;
  let expected: Expectation;

  beforeEach(async () => {
    const fetch = async () => Response.json({ hardware: [], sources: [], generation: "g1" });
    const world = { ...quiet(), fetch };
    database = await open();
    db = await openDatabase(database.url);
    conductor = await createConductorTier({ ...alone(), db, world });
    await conductor.start();
    expected = createExpectation({ db, world });
  });
  afterEach(async () => {
    await conductor.stop();
    await db.close();
    await database.close();
  });

  test("a list of thousands lets others run while it is taken in", async () => {
    let turns = 0;
    const counting = setInterval(() => {
      turns += 1;
    }, 0);
    const many = Array.from({ length: 10_000 }, (_, n) => ({ name: `n${n}` }));
    expect((await expected.set(many)).added).toHaveLength(10_000);
    clearInterval(counting);
    expect(turns).toBeGreaterThanOrEqual(30);
    expect((await conductor.nodes({ state: "EXPECTED" }, { limit: 1000 })).nodes).toHaveLength(1_000);
  });

  const nodes = async () =>
    (await conductor.nodes({}, { limit: 100 })).nodes.map(({ name, state }) => `${name} ${state}`).sort();
  const feed = async () =>
    (await changesSince(db.read, 0, 1000)).map(({ kind, node_name, state }) => [kind, node_name, state]);

  test("one that nobody has seen is EXPECTED, and becomes the node that says hello by its name", async () => {
    expect(await expected.set([{ name: "n1", labels: { rack: "7" } }, { name: "n2" }])).toEqual({
      ...{ added: ["n1", "n2"], withdrawn: [], changed: [], unchanged: 0 },
    });
    expect(await nodes()).toEqual(["n1 EXPECTED", "n2 EXPECTED"]);
    const { revision } = await conductor.nodes({}, { limit: 1 });
    await conductor.hello(hello("n1"), VISITOR);
    await conductor.settled();
    expect(await nodes()).toEqual(["n1 LIVE", "n2 EXPECTED"]);
    expect(await expected.show()).toMatchObject([
      { name: "n1", node: ID },
      { name: "n2", node: null },
    ]);
    const news = (await changesSince(db.read, revision, 100)).map(({ kind, node_id, state }) => [
      kind,
      node_id === ID,
      state,
    ]);
    expect(news).toContainEqual(["state", true, "LIVE"]);
    expect(news).toContainEqual(["forgotten", false, null]);
    // It is there: saying so again brings nothing back.
    expect(await expected.set([{ name: "n1", labels: { rack: "7" } }, { name: "n2" }])).toMatchObject({ unchanged: 2 });
    expect(await nodes()).toEqual(["n1 LIVE", "n2 EXPECTED"]);
  });

  test("one that is expected by id is that node, whatever it is called", async () => {
    await expected.set([{ name: "rack7", id: ID.toUpperCase() }]);
    expect(await nodes()).toEqual(["rack7 EXPECTED"]);
    await conductor.hello(hello("n1"), VISITOR);
    expect(await nodes()).toEqual(["n1 LIVE"]);
    expect((await feed()).map(([kind]) => kind)).not.toContain("forgotten");
  });

  test("one that another node passed for is EXPECTED again when that is called otherwise", async () => {
    await expected.set([{ name: "rack7", labels: { rack: "7" } }, { name: "rack8" }]);
    await conductor.hello(hello("n1"), VISITOR);
    await conductor.hello(hello("rack7"), VISITOR);
    expect(await nodes()).toEqual(["rack7 LIVE", "rack8 EXPECTED"]);
    await conductor.hello(hello("n1"), VISITOR);
    expect(await nodes()).toEqual(["n1 LIVE", "rack7 EXPECTED", "rack8 EXPECTED"]);
    expect(
      (await conductor.nodes({ state: "EXPECTED" }, { limit: 9 })).nodes.map(({ labels }) => labels),
    ).toContainEqual({ rack: "7" });
    expect((await expected.show()).map(({ node }) => node)).toEqual([null, null]);
    expect((await feed()).at(-1)).toEqual(["state", "rack7", "EXPECTED"]);
    // Not while another one is called so, nor one that is expected no more.
    const other = "00000000-0000-4000-8000-000000000001";
    await conductor.hello(hello("rack7", other), VISITOR);
    await conductor.hello(hello("rack7"), VISITOR);
    await conductor.hello(hello("n1"), VISITOR);
    await expected.set([]);
    await conductor.hello(hello("n2", other), VISITOR);
    expect(await nodes()).toEqual(["n1 LIVE", "n2 LIVE"]);
    await conductor.settled();
  });

  test("withdrawn, one that was never seen is forgotten, and one that was stays what it is", async () => {
    await conductor.hello(hello("n1"), VISITOR);
    await expected.set([{ name: "n1" }, { name: "n2" }, { name: "n3", labels: { a: "1" } }]);
    expect(await expected.set([{ name: "n3", labels: { a: "2" } }])).toEqual({
      ...{ added: [], withdrawn: ["n1", "n2"], changed: ["n3"], unchanged: 0 },
    });
    expect(await nodes()).toEqual(["n1 LIVE", "n3 EXPECTED"]);
    expect((await conductor.nodes({ state: "EXPECTED" }, { limit: 9 })).nodes[0]?.labels).toEqual({ a: "2" });
    expect(await feed()).toContainEqual(["forgotten", "n2", null]);
    await expected.set([]);
    expect(await nodes()).toEqual(["n1 LIVE"]);
  });

  test("the same list again changes nothing, in whichever order its labels are", async () => {
    await expected.set([{ name: "n1", labels: { a: "1", b: "2" } }]);
    const before = await feed();
    expect(await expected.set([{ name: "n1", labels: { b: "2", a: "1" } }])).toMatchObject({
      unchanged: 1,
      changed: [],
    });
    expect(await feed()).toEqual(before);
  });

  test("a node that says hello while it becomes expected is one node, whoever is first", async () => {
    const names = Array.from({ length: 12 }, (_, n) => `n${n}`);
    const uuid = (n: number) => `00000000-0000-4000-8000-${String(n).padStart(12, "0")}`;
    await Promise.all([
      ...names.map((name, n) => conductor.hello(hello(name, uuid(n)), VISITOR)),
      expected.set(names.map((name) => ({ name }))),
      ...names.map((name, n) => conductor.hello(hello(name, uuid(n + 100)), VISITOR)),
    ]);
    expect((await nodes()).filter((one) => one.endsWith("EXPECTED"))).toEqual([]);
    await conductor.settled();
  });
});
