import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import fc from "fast-check";
import { type Change, ChangeList } from "../../src/contract/change.ts";
import { FleetHardwareList, type Hardware, type Source, SourceList } from "../../src/contract/hardware.ts";
import { Node, NodeList } from "../../src/contract/node.ts";
import { OperationList } from "../../src/contract/operation.ts";
import { type Database, openDatabase } from "../../src/db/database.ts";
import { appendChanges, reserveRevisions } from "../../src/db/queries/changes.ts";
import { hardwareRow, saveHardware } from "../../src/db/queries/hardware.ts";
import { nodeRow, saveNode } from "../../src/db/queries/nodes.ts";
import { saveOperation } from "../../src/db/queries/operations.ts";
import { replaceSources, sourceRow } from "../../src/db/queries/sources.ts";
import { createConductor, type Tier } from "../../src/index.ts";
import { condition, device, id, node, source, T } from "../support/alarms.ts";
import { databases } from "../support/databases.ts";
import { eventsOf } from "../support/events.ts";
import { quiet } from "../support/tiers.ts";
import { ask } from "./support.ts";

describe.each(databases)("what a conductor lists, on $name", ({ open }) => {
  let database: Awaited<ReturnType<typeof open>>;
  let db: Database;
  let tier: Tier;
  beforeEach(async () => {
    database = await open();
    db = await openDatabase(database.url);
    tier = await createConductor({ auth: "open", db, world: quiet() });
  });
  afterEach(async () => {
    await db.close();
    await database.close();
  });

  const store = (own: Node, more: { devices?: Hardware[]; sources?: Source[] } = {}) =>
    db.write(async (tx) => {
      const revision = await reserveRevisions(tx, 1);
      await saveNode(tx, nodeRow(own, revision));
      await saveHardware(
        tx,
        (more.devices ?? []).map((one) => hardwareRow(one, revision)),
      );
      await replaceSources(
        tx,
        own.id,
        (more.sources ?? []).map((one) => sourceRow(own.id, one)),
      );
    });
  const get = async (path: string) => (await ask(tier, path)).json();
  const status = async (path: string) => (await ask(tier, path)).status;
  const names = async (query: string) =>
    NodeList.parse(await get(`/nodes?limit=1000&${query}`))
      .nodes.map(({ name }) => name)
      .sort();
  /** All of a list, page by page. */
  async function walk<T>(path: string, of: (body: unknown) => { items: T[]; next?: string | undefined }) {
    const all: T[] = [];
    let token: string | undefined;
    do {
      const { items, next } = of(await get(`${path}${token ? `&page_token=${encodeURIComponent(token)}` : ""}`));
      all.push(...items);
      token = next;
    } while (token !== undefined);
    return all;
  }

  test("one node is asked for by its id or its name, and by its id alone where two are called so", async () => {
    await store(node(1));
    await store(node(2, { name: "twin/a" }));
    await store(node(3, { name: "twin/a" }));
    expect(Node.parse(await get(`/nodes/${id(1).toUpperCase()}`)).name).toBe("n1");
    expect(Node.parse(await get("/nodes/n1")).id).toBe(id(1));
    const twin = await ask(tier, "/nodes/twin%2Fa");
    expect(twin.status).toBe(409);
    const said = (await twin.json()) as { code: string; detail: string };
    expect(said.code).toBe("ambiguous_name");
    expect(said.detail).toContain(id(2));
    expect(said.detail).toContain(id(3));
    expect(await status(`/nodes/${id(3)}`)).toBe(200);
    for (const [path, wanted] of [
      ["/nodes/n9", 404],
      ["/nodes/%00", 400],
      [`/nodes/${"x".repeat(254)}`, 400],
    ] as const)
      expect([path, await status(path)]).toEqual([path, wanted]);
  });

  test("labels choose nodes, their hardware and their sources; all that are given must match", async () => {
    const devices = (n: number) => [device(n, "FRESH")];
    await store(node(1, { labels: { rack: "7", site: "ams" } }), { devices: devices(1), sources: [source()] });
    await store(node(2, { labels: { rack: "7" } }), { devices: [{ ...device(2, "FRESH"), uuid: id(72) }] });
    await store(node(3, { labels: { rack: "77", a: "\0" } }), { sources: [source({ name: "late" })] });
    expect(await names("label=rack%3D7")).toEqual(["n1", "n2"]);
    expect(await names("label=rack=7&label=site")).toEqual(["n1"]);
    expect(await names("label=rack")).toEqual(["n1", "n2", "n3"]);
    expect(await names("label=rack=")).toEqual([]);
    expect(await names("label=rack=7&state=LOST")).toEqual([]);
    // Each of them is looked for at every node.
    const many = (count: number) => Array.from({ length: count }, () => "label=rack=7").join("&");
    expect(await names(many(8))).toEqual(["n1", "n2"]);
    for (const path of ["nodes", "hardware", "sources"])
      expect((await ask(tier, `/${path}?${many(9)}`)).status).toBe(400);
    expect(await names(`label=${encodeURIComponent("a=\0")}`)).toEqual(["n3"]);
    const owners = async (query: string) =>
      FleetHardwareList.parse(await get(`/hardware?${query}`)).hardware.map((one) => one.node.name);
    expect(await owners("label=rack=7")).toEqual(["n1", "n2"]);
    expect(await owners("label=rack=7&label=site=ams&ready=true&freshness=FRESH")).toEqual(["n1"]);
    expect(await owners("label=__proto__")).toEqual([]);
    expect(SourceList.parse(await get("/sources?label=rack=77")).sources.map(({ name }) => name)).toEqual(["late"]);
    for (const bad of ["label=", "label==x", "label=%2Cx", `label=${"x".repeat(64)}`, `label=a=${"x".repeat(256)}`])
      expect([bad, await status(`/nodes?${bad}`)]).toEqual([bad, 400]);
    expect(await status(`/nodes?${Array.from({ length: 65 }, (_, n) => `label=l${n}`).join("&")}`)).toBe(400);
  });

  test("a label is found in whatever text others hold beside it", async () => {
    // Made of what could look like the end of one label and the beginning of another.
    const text = fc.string({ unit: fc.constantFrom("a", "b", '"', ",", ":", "{", "}", "\\", "\0", "é"), maxLength: 4 });
    const key = text.filter((name) => name !== "" && !name.includes("\0"));
    const labels = fc.dictionary(key, text, { maxKeys: 3, noNullPrototype: true });
    const wanted = key.filter((name) => !/^[,:}]/.test(name));
    const stored = fc.array(labels, { minLength: 6, maxLength: 6 });
    await fc.assert(
      fc.asyncProperty(
        stored,
        fc.array(fc.tuple(wanted, text), { minLength: 20, maxLength: 20 }),
        async (all, asked) => {
          await db.write(async (tx) => {
            for (const [n, own] of all.entries()) await saveNode(tx, nodeRow(node(n, { labels: own }), 1));
          });
          // What is there, so that much is found, and what is not.
          const there = all.flatMap((own) => Object.entries(own)).filter(([name]) => !/^[,:}]/.test(name));
          for (const [name, value] of [...there, ...asked]) {
            const hits = (has: (own: Record<string, string>) => boolean) =>
              all.flatMap((own, n) => (has(own) ? [`n${n}`] : []));
            const any = `label=${encodeURIComponent(name)}`;
            expect(await names(any)).toEqual(hits((own) => Object.hasOwn(own, name)));
            expect(await names(`${any}${encodeURIComponent(`=${value}`)}`)).toEqual(hits((own) => own[name] === value));
          }
        },
      ),
      { numRuns: 8 },
    );
  });

  test("condition= finds the devices that have it false, page by page, whatever else says so", async () => {
    const said = (type: string, is: "true" | "false") => ({ ...condition(type, is), message: '"status":"false"' });
    // As another's driver may order its members.
    const reordered = {
      status: "false",
      since: T,
      type: "DriverBound",
      reason: "R",
      message: "",
      action: null,
    } as const;
    const devices = [
      { ...device(1, "FRESH", said("DriverBound", "false")), uuid: id(101) },
      { ...device(1, "FRESH", said("DriverBound", "true"), said("LinkFull", "false")), uuid: id(102) },
      { ...device(1, "FRESH", reordered), uuid: id(103) },
      { ...device(1, "STALE", said("DriverBound", "false")), uuid: id(104) },
    ];
    await store(node(1), { devices });
    const found = (query: string) =>
      walk(`/hardware?limit=1&condition=${query}`, (body) => {
        const { hardware, next_page_token } = FleetHardwareList.parse(body);
        expect(hardware.length).toBeLessThanOrEqual(1);
        return { items: hardware.map(({ uuid }) => uuid), next: next_page_token };
      });
    expect(await found("DriverBound")).toEqual([id(101), id(103), id(104)]);
    expect(await found("DriverBound&freshness=STALE")).toEqual([id(104)]);
    expect(await found("LinkFull&node=n1")).toEqual([id(102)]);
    expect(await found("Nothing")).toEqual([]);
    expect(await status("/hardware?condition=%22")).toBe(400);
  });

  test("uuid= finds the devices whose id begins so, page by page, beside each other filter", async () => {
    const uuids = [
      "8e45a2ea-5364-4b0d-a252-bf8becaa606e",
      "8e45a2ea-5364-4b0d-a252-ffffffffffff",
      "8e45a2ea-5365-4b0d-a252-000000000000",
      "8e45ffff-0000-4b0d-a252-000000000000",
      "8e460000-0000-4b0d-a252-000000000000",
    ];
    const gone = (n: number) => (n === 1 ? "GONE" : "FRESH");
    await store(node(1), { devices: uuids.map((uuid, n) => ({ ...device(1, gone(n)), uuid })).toReversed() });
    const found = async (query: string) =>
      (
        await walk(`/hardware?limit=1&uuid=${query}`, (body) => {
          const { hardware, next_page_token } = FleetHardwareList.parse(body);
          return { items: hardware.map(({ uuid }) => uuid), next: next_page_token };
        })
      ).toSorted();
    for (const uuid of uuids)
      for (let length = 4; length <= uuid.length; length += 1) {
        const beginning = uuid.slice(0, length);
        expect([beginning, await found(beginning)]).toEqual([
          beginning,
          uuids.filter((one) => one.startsWith(beginning)),
        ]);
      }
    expect(await found("8E45A2EA-5364")).toEqual(uuids.slice(0, 2));
    expect(await found("8e45a2ea&freshness=GONE&node=n1")).toEqual(uuids.slice(1, 2));
    expect(await found("8e45a2ea&cordoned=false&ready=true&condition=Nothing")).toEqual([]);
    expect(await found("8e45a2ea&cordoned=false")).toEqual(uuids.slice(0, 3));
    for (const wrong of ["", "8e4", "8e45a2eaf", "8e45a2ea-5364-4b0d-a252-bf8becaa606e0", "8e45%25", "hello"])
      expect([wrong, await status(`/hardware?uuid=${wrong}`)]).toEqual([wrong, 400]);
  });

  test("sources are listed by node and name, page by page", async () => {
    const failed = { status: "STALE", error: { code: "crashed", message: "it did" } } as const;
    await store(node(2), { sources: [source({ name: "émile", ...failed }), source({ name: "gpu" })] });
    await store(node(1), { sources: [source({ name: "b" }), source({ name: "a" })] });
    const found = (query = "") =>
      walk(`/sources?limit=1${query}`, (body) => {
        const { sources, next_page_token } = SourceList.parse(body);
        return { items: sources.map((one) => `${one.node.name} ${one.name}`), next: next_page_token };
      });
    expect(await found()).toEqual(["n1 a", "n1 b", "n2 gpu", "n2 émile"]);
    expect(await found("&node=n2&status=STALE")).toEqual(["n2 émile"]);
    expect(SourceList.parse(await get("/sources?status=STALE")).sources[0]).toMatchObject({
      ...{ node: { id: id(2), name: "n2" }, error: { code: "crashed", message: "it did" } },
    });
    for (const token of ["x", btoa("1"), btoa('["a"]'), btoa('["a",1]'), btoa("%5B%22%00%22%2C%22%00%22%5D")])
      expect(await status(`/sources?page_token=${encodeURIComponent(token)}`)).toBe(400);
  });

  test("operations are listed newest first, each with those children that did not succeed", async () => {
    const child = (n: number) =>
      ({ name: `n${n}`, endpoint: null, status: "SUCCEEDED", found: 1, error: null }) as const;
    const children = Array.from({ length: 50 }, (_, n) => child(n));
    const failed = { ...child(50), status: "FAILED", found: null, error: "no" } as const;
    await db.write(async (tx) => {
      for (let n = 1; n <= 5; n += 1)
        await saveOperation(tx, {
          ...{ uuid: id(n), kind: n === 1 ? "setup" : "discovery", status: n === 5 ? "IN-PROGRESS" : "PARTIAL" },
          // Two at the same time.
          ...{
            started_at: `2026-01-01T00:00:0${Math.min(n, 4)}.000Z`,
            finished_at: T,
            children: [...children, failed],
          },
        });
    });
    const found = (query = "") =>
      walk(`/operations?limit=2${query}`, (body) => {
        const { operations, next_page_token } = OperationList.parse(body);
        return { items: operations.map(({ uuid }) => uuid), next: next_page_token };
      });
    expect(await found()).toEqual([5, 4, 3, 2, 1].map(id));
    expect(await found("&kind=discovery&status=PARTIAL")).toEqual([4, 3, 2].map(id));
    const [newest] = OperationList.parse(await get("/operations")).operations;
    expect(newest?.children).toHaveLength(10);
    expect(newest?.children[0]).toMatchObject({ name: "n50", status: "FAILED" });
    expect(newest?.summary).toMatchObject({ total: 51, failed: 1 });
  });

  /** Changes of one device among many of others. */
  async function log(count: number, at: readonly number[]) {
    await db.write(async (tx) => {
      const first = await reserveRevisions(tx, count);
      const common = { time: T, source: "crypto", state: null };
      const rows = Array.from({ length: count }, (_, index) => {
        const own = at.includes(first + index);
        const body = JSON.stringify(device(own ? 1 : 2, "FRESH"));
        return { ...common, revision: first + index, kind: own ? "moved" : "changed", body, ...place(own ? 1 : 2) };
      });
      await appendChanges(tx, rows);
    });
  }
  const place = (n: number) => ({ node_id: id(n), node_name: `n${n}`, uuid: id(100 + n) });
  const found = (query: string, most = 3) =>
    walk(`/changes?limit=${most}&${query}`, (body) => {
      const { changes, next_page_token } = ChangeList.parse(body);
      expect(changes.length).toBeLessThanOrEqual(most);
      return { items: changes.map(({ revision }) => revision), next: next_page_token };
    });

  test("the feed is asked for a node, a device or a kind, from either end, however far apart they are", async () => {
    const at = [1, 2, 4_000, 4_001, 4_002, 9_000, 20_000];
    await log(20_000, at);
    const down = at.toReversed();
    expect(await found("node=n1")).toEqual(at);
    expect(await found(`node=${id(1).toUpperCase()}&order=desc`)).toEqual(down);
    expect(await found(`uuid=${id(101).toUpperCase()}&since=2`)).toEqual(at.slice(2));
    expect(await found("kind=moved&since=2&order=desc")).toEqual(down.slice(0, -2));
    expect(await found("kind=moved&node=n2")).toEqual([]);
    expect(await found("order=desc&since=19997", 2)).toEqual([20_000, 19_999, 19_998]);
    expect(await found("order=desc&since=20000")).toEqual([]);
    expect(await status("/changes?order=desc&since=20001")).toBe(410);
    expect(await status("/changes?node=n1&since=20001")).toBe(410);
    for (const bad of ["kind=x", "order=up", "uuid=x", "node=", "node=%00", "node=a&node=b"])
      expect([bad, await status(`/changes?${bad}`)]).toEqual([bad, 400]);
  });

  test("who follows a part of the feed is given that alone, and is told how far it is", async () => {
    const at = [3, 600];
    await log(1_000, at);
    const headers = { accept: "text/event-stream" };
    const follow = async (query: string) => (await ask(tier, `/changes?${query}`, { headers })).body as ReadableStream;
    expect((await ask(tier, "/changes?order=desc", { headers })).status).toBe(400);
    const given: Pick<Change, "kind" | "revision">[] = [];
    let told = 0;
    for await (const { event, id: position, data } of eventsOf(await follow("node=n1"))) {
      if (position !== null) told = Number(position);
      if (data !== "" && event !== "epoch") given.push(JSON.parse(data) as Change);
      if (given.length < at.length || told < 1_000) continue;
      if (given.length > at.length) break;
      // It has come to where all are: what comes from now on it is given with the others.
      await log(2, [1_002]);
    }
    expect(given.map(({ kind, revision }) => [kind, revision])).toEqual([3, 600, 1_002].map((n) => ["moved", n]));
    expect(told).toBe(1_002);
  });
});
