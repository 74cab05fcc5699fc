import { describe, expect, test } from "bun:test";
import { openDatabase } from "../../../../src/db/database.ts";
import { type Facts, factsOf } from "../../../../src/db/queries/fleet/alarms.ts";
import { bodyOf, hardwareRow, saveHardware } from "../../../../src/db/queries/hardware.ts";
import { nodeRow, saveNode } from "../../../../src/db/queries/nodes.ts";
import { sourceRow } from "../../../../src/db/queries/sources.ts";
import { problemsOf } from "../../../../src/tiers/conductor/alarms/problems.ts";
import { condition, device, id, node, source } from "../../../support/alarms.ts";
import { databases } from "../../../support/databases.ts";

const ill = condition("LinkFull", "false", "Narrow");
const silent = condition("Responding", "false", "AllOnes");
const factsWith = (devices: ReturnType<typeof device>[], conditions: string | null = null): Facts => ({
  nodes: [{ ...nodeRow(node(1), 1), conditions }],
  sources: [],
  devices: devices.map((one) => {
    const { node_id, source, uuid, freshness, trouble } = hardwareRow(one, 1);
    return { node_id, source, uuid, freshness, trouble: trouble ?? null, body: bodyOf(one) };
  }),
});
const many = (count: number, freshness: "FRESH" | "GONE", ...conditions: Parameters<typeof device>[2][]) =>
  Array.from({ length: count }, (_, n) => ({ ...device(1, freshness, ...conditions), uuid: id(n) }));

test("a hundred devices of a node have an alarm of each kind of their own, and all others are one", () => {
  const found = [...problemsOf(factsWith([...many(250, "GONE"), ...many(250, "FRESH", ill)])).values()];
  const counts = ["hardware.missing", "hardware.unhealthy"].map((kind) => {
    const own = found.filter((problem) => problem.kind === kind);
    const [rest, ...more] = own.filter(({ uuid }) => uuid === null);
    return [own.length, rest?.reason, rest?.devices.length, rest?.severity, rest?.opens, more.length];
  });
  expect(counts).toEqual([
    [101, "Many", 150, null, true, 0],
    [101, "Many", 150, null, true, 0],
  ]);
  const grave = problemsOf(factsWith([...many(100, "FRESH", ill), device(1, "FRESH", silent)]));
  expect([...grave.values()].find(({ uuid }) => uuid === null)).toMatchObject({ severity: "critical" });
  // Where the node says what it misses, that one alarm has all of them.
  const says = JSON.stringify([condition("HardwarePresent", "false", "HardwareMissing")]);
  const said = [...problemsOf(factsWith(many(250, "GONE"), says)).values()].filter(({ opens }) => opens);
  expect(said.map(({ reason, devices }) => [reason, devices.length])).toEqual([["HardwareMissing", 250]]);
});

test("a hundred sources of a node have an alarm of their own, the same ones whatever their order, and all others are one", () => {
  const failed = (count: number) =>
    Array.from({ length: count }, (_, n) => sourceRow(id(1), source({ name: `s${n}`, status: "NEVER" })));
  const found = (sources: Facts["sources"]) =>
    [...problemsOf({ ...factsWith([]), sources }).values()].filter(({ kind }) => kind === "source.failed");
  expect(found(failed(100)).map(({ reason }) => reason)).not.toContain("Many");
  const many = found(failed(1_000));
  expect(many).toHaveLength(101);
  expect(many.filter(({ source }) => source === null).map(({ reason, opens }) => [reason, opens])).toEqual([
    ["Many", true],
  ]);
  const turned = found(failed(1_000).toReversed());
  expect(turned.map(({ fingerprint }) => fingerprint)).toEqual(many.map(({ fingerprint }) => fingerprint));
});

test("what an agent says without end is cut, at whole characters", () => {
  const wordy = { ...condition("Responding", "false", "R".repeat(9_000)), message: "\u{1f525}".repeat(50_000) };
  const [problem] = problemsOf(factsWith([device(1, "FRESH", { ...wordy, action: "a".repeat(9_000) })])).values();
  const { reason = "", message = "", action } = problem ?? {};
  expect([reason.length, message.length, action?.length]).toEqual([256, 4_096, 4_096]);
  expect(message.isWellFormed() && message.endsWith("\u2026")).toBe(true);
});

describe.each(databases)("factsOf() on $name", ({ open }) => {
  test("reads so many devices of a node and no more, cards before what comes and goes with them", async () => {
    const database = await open();
    const db = await openDatabase(database.url);
    try {
      const functions = many(1_200, "GONE").map((one, n) => {
        const { device_type } = one.acc_specs;
        return { ...one, acc_specs: { ...one.acc_specs, device_type: n % 2 === 0 ? "GENERIC" : device_type } };
      });
      const rows = [...functions, ...many(1_100, "FRESH", ill).map((one) => ({ ...one, source: "other" }))].map((one) =>
        hardwareRow(one, 1),
      );
      const [last] = rows.filter(({ device_type }) => device_type !== "GENERIC").slice(599);
      await db.write(async (tx) => {
        await saveNode(tx, nodeRow(node(1), 1));
        await saveNode(tx, nodeRow(node(2), 1));
        await saveHardware(tx, [...rows, hardwareRow(device(2, "GONE"), 1)]);
      });
      const { devices } = await factsOf(db.read, [id(1), id(2)]);
      const of = (n: number, freshness: string) =>
        devices.filter((one) => one.node_id === id(n) && one.freshness === freshness);
      expect([of(1, "GONE").length, of(1, "FRESH").length, of(2, "GONE").length]).toEqual([1_000, 1_000, 1]);
      expect(of(1, "GONE").some(({ uuid }) => uuid === last?.uuid)).toBe(true);
    } finally {
      await db.close();
      await database.close();
    }
  });
});
