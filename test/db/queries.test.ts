import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { Change } from "../../src/contract/change.ts";
import { Hardware } from "../../src/contract/hardware.ts";
import type { Operation } from "../../src/contract/operation.ts";
import { type Database, openDatabase } from "../../src/db/database.ts";
import {
  appendChanges,
  changesSince,
  currentRevision,
  reserveRevisions,
  toChange,
} from "../../src/db/queries/changes.ts";
import { saveGiven } from "../../src/db/queries/fleet/given.ts";
import { renewalsOf, takeNodes } from "../../src/db/queries/fleet/owners.ts";
import {
  hardwareByUuid,
  hardwareOfNode,
  hardwareRow,
  hardwareText,
  listHardware,
  saveHardware,
} from "../../src/db/queries/hardware.ts";
import {
  countNodes,
  getNode,
  listNodes,
  lockNodes,
  nodeRow,
  saveNode,
  setGenerations,
  toNode,
  touchNodes,
} from "../../src/db/queries/nodes.ts";
import {
  failedOperation,
  getOperation,
  interrupted,
  type OperationRequest,
  runningOperation,
  saveOperation,
  takeOperation,
} from "../../src/db/queries/operations.ts";
import {
  failedSources,
  replaceSources,
  sourceRow,
  sourcesOfNode,
  sourcesSummary,
  toSource,
} from "../../src/db/queries/sources.ts";
import { databases, type TestDatabase } from "../support/databases.ts";
import { device, node, saveReport, TIME } from "./rows.ts";

/** Of a node that no operator did anything about. */
const NOTHING = { cordoned: null, said: null };

describe.each(databases)("queries on $name", ({ open }) => {
  let place: TestDatabase;
  let db: Database;
  beforeAll(async () => {
    place = await open();
    db = await openDatabase(place.url);
  });
  afterAll(async () => {
    await db.close();
    await place.close();
  });
  /** A node of its own for each test. */
  const newNode = async (more: Parameters<typeof node>[1] = {}) => {
    const made = node(crypto.randomUUID(), more);
    await db.write((tx) => saveNode(tx, nodeRow(made, 1)));
    return made;
  };

  test("a node comes back as it was saved, and saving it again replaces it", async () => {
    const made = await newNode({ labels: { rack: 'a "1"' }, endpoint: "http://x", boot_id: "b", generation: "g" });
    expect(toNode((await getNode(db.read, made.id))!)).toEqual({ ...made, ...NOTHING });
    const changed = { ...made, state: "LEFT" as const, api: null, labels: {}, boot_id: null };
    await db.write((tx) => saveNode(tx, nodeRow(changed, 2)));
    expect(toNode((await getNode(db.read, made.id))!)).toEqual({ ...changed, ...NOTHING });
    expect(await getNode(db.read, "nobody")).toBeNull();
  });

  test("listNodes() pages through a state without missing or repeating one", async () => {
    const made = await Promise.all(Array.from({ length: 7 }, () => newNode({ state: "CONFLICT" })));
    await newNode();
    const seen: string[] = [];
    for (let after: string | undefined; ; ) {
      const { rows: page } = await listNodes(db.read, { state: "CONFLICT", limit: 3, ...(after && { after }) });
      seen.push(...page.map(({ row }) => row.id));
      if (page.length < 3) break;
      after = page.at(-1)?.row.id;
    }
    expect(seen.toSorted()).toEqual(made.map(({ id }) => id).toSorted());
    expect(await countNodes(db.read)).toBeGreaterThanOrEqual(8);
  });

  test("touchNodes() writes each node's own time, and counts for an owner what another one has heard", async () => {
    const made = await Promise.all(Array.from({ length: 70 }, () => newNode()));
    const other = await newNode();
    const seen = made.map(({ id }) => ({ id, last_seen: `seen ${id}` }));
    const [first, second] = made;
    await db.write((tx) => takeNodes(tx, [first?.id ?? ""], "a"));
    await db.write((tx) => takeNodes(tx, [second?.id ?? ""], "b"));
    expect(await db.write((tx) => touchNodes(tx, seen, { by: "a" }))).toEqual([]);
    for (const { id } of made) expect((await getNode(db.read, id))?.last_seen).toBe(`seen ${id}`);
    expect((await getNode(db.read, other.id))?.last_seen).toBe(TIME);
    const renewals = await renewalsOf(db.read, [first?.id ?? "", second?.id ?? ""]);
    expect([first, second].map((node) => renewals.get(node?.id ?? ""))).toEqual([
      { owner: "a", renewals: 0 },
      { owner: "b", renewals: 1 },
    ]);
    const touched = await db.write((tx) => touchNodes(tx, seen.slice(0, 2), { by: "b", tell: true }));
    expect(touched.toSorted((a, b) => (a.owner ?? "").localeCompare(b.owner ?? ""))).toEqual([
      { id: first?.id ?? "", state: "LIVE", owner: "a", renewals: 1 },
      { id: second?.id ?? "", state: "LIVE", owner: "b", renewals: 1 },
    ]);
    await db.write((tx) => touchNodes(tx, [], { by: "a" }));
  });

  test("lockNodes() has whoever comes second see what the first one wrote, whatever order they name them in", async () => {
    const ids = (await Promise.all(Array.from({ length: 5 }, () => newNode()))).map(({ id }) => id);
    const race = (to: string, order: string[]) =>
      db.write(async (tx) => {
        const locked = await lockNodes(tx, order);
        const free = order.filter((id) => locked.get(id)?.generation === null);
        await setGenerations(
          tx,
          free.map((id) => ({ id, generation: to })),
        );
        return free.length;
      });
    const won = await Promise.all([race("a", ids), race("b", ids.toReversed()), race("c", ids.slice(2))]);
    expect(won.filter((count) => count > 0)).toHaveLength(won.includes(3) ? 2 : 1);
    expect(won.reduce((sum, count) => sum + count, 0)).toBe(5);
    expect(await db.write((tx) => lockNodes(tx, []))).toEqual(new Map());
    expect((await db.write((tx) => lockNodes(tx, [crypto.randomUUID()]))).size).toBe(0);
  });

  test("replaceSources() adds, changes and removes, and failures are summed up", async () => {
    const of = await newNode({ name: "with sources" });
    const source = (name: string, status: "OK" | "STALE" | "NEVER") =>
      sourceRow(of.id, {
        name,
        type: null,
        endpoint: null,
        status,
        observed_at: TIME,
        count: 3,
        error: status === "OK" ? null : { code: "timeout", message: "a broken\0 peer's \ud800 words" },
      });
    await db.write((tx) => replaceSources(tx, of.id, [source("a", "OK"), source("b", "OK"), source("c", "NEVER")]));
    await db.write((tx) => replaceSources(tx, of.id, [source("a", "OK"), source("b", "STALE"), source("d", "OK")]));
    const rows = await sourcesOfNode(db.read, of.id);
    expect(rows.map(({ name, status }) => [name, status])).toEqual([
      ["a", "OK"],
      ["b", "STALE"],
      ["d", "OK"],
    ]);
    expect(rows.map(toSource)[1]?.error).toEqual({ code: "timeout", message: "a broken\ufffd peer's \ufffd words" });
    expect(await failedSources(db.read, 100)).toEqual([{ ...source("b", "STALE"), node_name: "with sources" }]);
    expect(await sourcesSummary(db.read)).toEqual({ total: 3, ok: 2, stale: 1, never: 0 });
  });

  test("a device comes back byte for byte, unknown fields included", async () => {
    const of = await newNode();
    const odd = { ...device(of), zebra: { b: 1, a: [null, "\u0000 \ud800 '\"; DROP TABLE hardware; --", 1e21] } };
    await db.write((tx) => saveHardware(tx, [hardwareRow(odd, 5)]));
    const [row] = await hardwareByUuid(db.read, odd.uuid);
    expect(JSON.parse(hardwareText(row!))).toEqual(JSON.parse(JSON.stringify(odd)));
    expect(Hardware.parse(JSON.parse(hardwareText(row!))).uuid).toBe(odd.uuid);
    expect(row).toMatchObject({ ready: true, path: "0000:00/01.0/00.0", vendor_id: "10de", revision: 5 });
    expect(Object.keys(JSON.parse(row!.body))).not.toContain("freshness");
  });

  test("saveHardware() replaces by node, source and uuid, keeps the id, and takes the last of two equal ones", async () => {
    const of = await newNode();
    const many = Array.from({ length: 130 }, () => device(of));
    await db.write((tx) =>
      saveHardware(
        tx,
        many.map((each) => hardwareRow(each, 1)),
      ),
    );
    const before = await hardwareOfNode(db.read, of.id);
    expect(before.length).toBe(130);
    const twice = [device(of, { uuid: many[0]!.uuid }, "FPGA"), device(of, { uuid: many[0]!.uuid, pci: null }, "DSA")];
    const elsewhere = device(of, { uuid: many[0]!.uuid, source: "other" });
    await db.write((tx) =>
      saveHardware(
        tx,
        [...twice, elsewhere].map((each) => hardwareRow(each, 2)),
      ),
    );
    const after = await hardwareOfNode(db.read, of.id);
    expect(after.length).toBe(131);
    const replaced = after.find(({ id }) => id === before.find(({ uuid }) => uuid === many[0]!.uuid)?.id);
    expect(replaced).toMatchObject({ device_type: "DSA", vendor_id: null, path: null, revision: 2 });
  });

  test("listHardware() pages through every filter alone and all together", async () => {
    const of = await newNode({ name: "paged" });
    const types = ["P1", "P2"];
    const devices = Array.from({ length: 40 }, (_, i) => {
      const made = device(of, { freshness: i % 3 ? "FRESH" : "STALE" }, types[i % 2], i % 5 ? "8086" : "1002");
      made.acc_status.ready = i % 4 > 0;
      return made;
    });
    await db.write((tx) =>
      saveHardware(
        tx,
        devices.map((each) => hardwareRow(each, 1)),
      ),
    );
    const all = async (filter: Parameters<typeof listHardware>[1]) => {
      const seen: string[] = [];
      for (let after: number | undefined; ; ) {
        const { rows: page } = await listHardware(db.read, filter, { limit: 7, ...(after && { after }) });
        seen.push(...page.map(({ body }) => JSON.parse(body).uuid));
        if (page.length < 7) return seen;
        after = page.at(-1)?.id;
      }
    };
    const expected = (keep: (d: (typeof devices)[number]) => boolean) => devices.filter(keep).map(({ uuid }) => uuid);
    expect(await all({ node: of.id })).toEqual(expected(() => true));
    expect(await all({ node: "paged" })).toEqual(expected(() => true));
    expect(await all({ node: "unknown" })).toEqual([]);
    expect(await all({ device_type: "P1" })).toEqual(expected((d) => d.acc_specs.device_type === "P1"));
    expect(await all({ vendor_id: "1002" })).toEqual(expected((d) => d.pci?.vendor_id === "1002"));
    // Of what is STALE nobody knows now whether it is ready.
    const isReady = (d: Hardware) => d.acc_status.ready && d.freshness === "FRESH";
    expect(await all({ node: of.id, ready: false })).toEqual(expected((d) => !isReady(d)));
    expect(await all({ node: of.id, ready: true })).toEqual(expected(isReady));
    expect(await all({ node: of.id, freshness: "STALE" })).toEqual(expected((d) => d.freshness === "STALE"));
    expect(await all({ node: "paged", device_type: "P2", vendor_id: "8086", ready: true, freshness: "FRESH" })).toEqual(
      expected(
        (d) =>
          d.acc_specs.device_type === "P2" &&
          d.pci?.vendor_id === "8086" &&
          d.acc_status.ready &&
          d.freshness === "FRESH",
      ),
    );
  });

  test("listHardware() finds what is out of service, and what labels choose, beside every filter and however many", async () => {
    const made = [];
    for (let n = 0; n < 6; n += 1) {
      const labels = { mine: "1", ...Object.fromEntries(Array.from({ length: n }, (_, i) => [`l${i}`, String(i)])) };
      const of = await newNode({ name: `chosen${n}`, labels });
      made.push({ n, of, devices: [device(of, {}, "C1", "8086"), device(of, {}, "C2", "1002")] });
    }
    const all = made.flatMap(({ n, devices }) => devices.map((one) => ({ n, one })));
    await db.write((tx) =>
      saveHardware(
        tx,
        all.map(({ one }) => hardwareRow(one, 1)),
      ),
    );
    const cordoned = { at: TIME, by: "ada", comment: null };
    const [node, card] = [made[1]!.of.id, made[2]!.devices[0]!.uuid];
    const mine = [{ name: "mine", value: "1" }];
    const found = async (filter: Parameters<typeof listHardware>[1]) =>
      (await listHardware(db.read, filter, { limit: 100 })).rows.map(({ body }) => JSON.parse(body).uuid);
    const wanted = (keep: (one: (typeof all)[number]) => boolean) => all.filter(keep).map(({ one }) => one.uuid);
    expect(await found({ labels: mine, cordoned: true })).toEqual([]);
    await db.write(async (tx) => {
      await saveGiven(tx, "node", node, { name: null, labels: null, said: null, cordoned }, 1);
      await saveGiven(tx, "device", card, { name: null, labels: null, said: null, cordoned }, 1);
    });
    const isOut = ({ n, one }: (typeof all)[number]) => n === 1 || one.uuid === card;
    expect(await found({ cordoned: true })).toEqual(wanted(isOut));
    expect(await found({ cordoned: true, device_type: "C1", ready: all[0]!.one.acc_status.ready })).toEqual(
      wanted((one) => isOut(one) && one.one.acc_specs.device_type === "C1"),
    );
    expect(await found({ cordoned: false, labels: mine })).toEqual(wanted((one) => !isOut(one)));
    expect(await found({ node: "chosen1", vendor_id: "1002", cordoned: true })).toEqual([made[1]!.devices[1]!.uuid]);
    for (let count = 0; count < 6; count += 1) {
      const labels = [...mine, ...Array.from({ length: count }, (_, i) => ({ name: `l${i}`, value: String(i) }))];
      expect(await found({ labels })).toEqual(wanted(({ n }) => n >= count));
      expect(await found({ labels, device_type: "C2" })).toEqual(
        wanted(({ n, one }) => n >= count && one.acc_specs.device_type === "C2"),
      );
    }
    const page = await listHardware(db.read, { labels: mine }, { limit: 5 });
    const next = await listHardware(db.read, { labels: mine }, { limit: 5, after: page.rows.at(-1)?.id });
    expect([...page.rows, ...next.rows].map(({ body }) => JSON.parse(body).uuid)).toEqual(
      wanted(() => true).slice(0, 10),
    );
  });

  test("changesSince() gives the log in order, and the log refuses to be rewritten", async () => {
    const of = await newNode();
    const since = await currentRevision(db.read);
    const devices = Array.from({ length: 5 }, () => device(of));
    const first = await db.write((tx) => saveReport(tx, devices));
    expect(first).toBe(since + 1);
    const rows = await changesSince(db.read, since, 3);
    expect(rows.map(({ revision }) => revision)).toEqual([first, first + 1, first + 2]);
    const change = Change.parse(toChange(rows[0]!));
    expect(change).toMatchObject({ kind: "added", node: { id: of.id }, state: null, uuid: devices[0]!.uuid });
    expect(change.hardware).toEqual(devices[0]!);
    const state = { ...rows[0]!, kind: "state", source: null, uuid: null, state: "LOST", body: null };
    await expect(db.write((tx) => appendChanges(tx, [state]))).rejects.toThrow();
    const revision = await db.write(async (tx) => {
      const own = await reserveRevisions(tx, 1);
      await appendChanges(tx, [{ ...state, revision: own }]);
      return own;
    });
    expect(Change.parse(toChange((await changesSince(db.read, revision - 1, 1))[0]!))).toMatchObject({
      state: "LOST",
      hardware: null,
    });
  });

  test("text that a database would refuse or alter is refused clearly", async () => {
    for (const id of ["a\0b", "\ud800"]) {
      await expect(getNode(db.read, id)).rejects.toMatchObject({ code: "invalid" });
      await expect(db.write((tx) => saveNode(tx, nodeRow(node(id), 1)))).rejects.toMatchObject({ code: "invalid" });
    }
    await expect(getNode(db.read, "a\0b")).rejects.toThrow('text cannot hold U+0000: "a\\u0000b"');
  });

  test("hostile text is stored as text", async () => {
    for (const text of [
      "'; DROP TABLE nodes; --",
      "$x $1 ?1 :a @b",
      "%_\\",
      "\u202e\u{1f4a9}\n",
      "x".repeat(100_000),
    ]) {
      const made = await newNode({ name: text, labels: { [text]: text }, generation: text });
      expect(toNode((await getNode(db.read, made.id))!)).toEqual({ ...made, ...NOTHING });
      const { rows } = await db.write(async (tx) => {
        await saveHardware(tx, [hardwareRow(device(made, {}, text), 1)]);
        return listHardware(tx, { device_type: text, node: text }, { limit: 10 });
      });
      expect(JSON.parse(rows[0]?.body ?? "").acc_specs.device_type).toBe(text);
    }
  });

  test("saveOperation() writes what is this conductor's alone, and interrupted() finds what nobody carries out", async () => {
    const operation: Operation = {
      ...{ uuid: crypto.randomUUID(), kind: "discovery", status: "IN-PROGRESS", started_at: TIME, finished_at: null },
      children: [{ name: "x", endpoint: null, status: "IN-PROGRESS", found: null, error: null }],
    };
    const save = (owner: string, more: Partial<Operation> = {}, request?: OperationRequest) =>
      db.write((tx) => saveOperation(tx, { ...operation, ...more }, { owner, request }));
    const request = { scope: '{"node":"a\\"b"}', keys: ["x"] };
    expect(await save("me", {}, request)).toBe(true);
    expect(await save("me")).toBe(true);
    expect(await save("another", { status: "FAILED" })).toBe(false);
    expect(await getOperation(db.read, operation.uuid)).toEqual(operation);
    expect((await runningOperation(db.read, "discovery", request.scope))?.uuid).toBe(operation.uuid);
    expect(await runningOperation(db.read, "discovery", '{"node":"a')).toBeNull();
    // Neither of these is written down as a conductor.
    const left = (await interrupted(db.read, "another", { unowned: false })).find(
      (one) => one.operation.uuid === operation.uuid,
    );
    expect(left).toEqual({ operation, owner: "me", request });
    const taken = ["b", "c"].map((to) => db.write((tx) => takeOperation(tx, left!, to)));
    expect((await Promise.all(taken)).toSorted()).toEqual([false, true]);
    expect(await save("me", { status: "FAILED" })).toBe(false);
    expect(failedOperation(operation, new Date(TIME))).toMatchObject({
      ...{ status: "FAILED", finished_at: TIME },
      children: [{ status: "FAILED", error: "the conductor restarted" }],
    });
  });
});
