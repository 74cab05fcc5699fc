import { expect, test } from "bun:test";
import type { Facts } from "../../../../src/db/queries/fleet/alarms.ts";
import { decide } from "../../../../src/tiers/conductor/alarms/decide.ts";
import { createHolds } from "../../../../src/tiers/conductor/alarms/holds.ts";
import { kindsOf } from "../../../../src/tiers/conductor/alarms/kinds.ts";
import { problemsOf } from "../../../../src/tiers/conductor/alarms/problems.ts";
import { newRow } from "../../../../src/tiers/conductor/alarms/rows.ts";

const HOLD_MS = 30_000;
const NODE = "00000000-0000-4000-8000-000000000001";
const node: Facts["nodes"][number] = {
  ...{ id: NODE, name: "n1", state: "LIVE", labels: "{}", api: null, conditions: null, reported: null, revision: 1 },
};
const failed = { node_id: NODE, name: "crypto", type: null, endpoint: null, status: "STALE", observed_at: null };
const sources = [{ ...failed, count: 0, error_code: "timeout", error_message: "late" }];

test("what was held for long enough stays so until it is written: a write that fails costs no second hold", () => {
  let now = 0;
  const holds = createHolds(() => now);
  const kinds = kindsOf({ holdMs: HOLD_MS });
  const problems = problemsOf({ nodes: [node], sources, devices: [] });
  const rows = new Map<string, ReturnType<typeof newRow>>();
  const none: typeof problems = new Map();
  const next = (there = problems) =>
    decide({ node: NODE, here: true, problems: there, rows, holds, kinds }).map(({ to }) => to);
  expect(next()).toEqual(["pending"]);
  for (const problem of problems.values())
    rows.set(problem.fingerprint, newRow(problem, { id: NODE, now: "2026-01-01T00:00:00Z", kinds }));
  expect(next()).toEqual([]);
  now += HOLD_MS;
  expect(next()).toEqual(["firing"]);
  // It could not be written.
  expect(next()).toEqual(["firing"]);
  for (const row of rows.values()) row.state = "firing";
  expect(next()).toEqual([]);
  expect(holds.ofNode(NODE)).toEqual([]);
  expect(next(none)).toEqual([]);
  now += HOLD_MS;
  expect(next(none)).toEqual(["resolved"]);
  expect(next(none)).toEqual(["resolved"]);
  rows.clear();
  expect(next(none)).toEqual([]);
  expect(holds.ofNode(NODE)).toEqual([]);
});
