import { expect, test } from "bun:test";
import type { Source } from "../../../src/contract/hardware.ts";
import { parseReport } from "../../../src/contract/peer.ts";
import { bodyOf } from "../../../src/db/queries/hardware.ts";
import { adopt } from "../../../src/tiers/adopt.ts";
import { changedSources, reconcile, type StoredDevice } from "../../../src/tiers/conductor/inventory/reconcile.ts";
import { CARD, NODE } from "../../support/tiers.ts";

const T = (minute: number) => `2026-11-23T10:${String(minute).padStart(2, "0")}:00.000Z`;
const source = (fields: Partial<Source> = {}): Source => ({
  name: "crypto",
  type: "CRYPTO",
  endpoint: null,
  status: "OK",
  observed_at: T(1),
  count: 1,
  error: null,
  ...fields,
});
const report = (hardware: object[], ...sources: Source[]) =>
  parseReport({ hardware, sources, generation: "g" }, { devices: 10, bySource: true });
const card = { ...CARD, source: "crypto", first_seen: T(0) };

/** What happens to one stored device when this report comes; `stored` is its source as it was taken in. */
function fate(next: ReturnType<typeof report>, stored = source()) {
  const [item] = report([card]).items;
  if (!item) throw new Error("refused");
  const device = adopt(item, { source: "crypto", type: null, node: NODE, now: T(0) });
  const row = {
    source: "crypto",
    uuid: device.uuid,
    freshness: "FRESH" as const,
    path: null,
    trouble: null,
    body: bodyOf(device),
  };
  const { changes } = reconcile([row], next, { node: NODE, now: T(9), endpoint: null, sources: [stored], most: 10 });
  return changes.map(({ kind, device }) => [kind, device.freshness]);
}

test("a device is gone when its source answered well without it", () => {
  expect(fate(report([], source({ count: 0, observed_at: T(2) })))).toEqual([["gone", "GONE"]]);
});

test("a device that is gone is not ready, and says since when it is not present; one that returns is as it is", () => {
  const take = (rows: StoredDevice[], hardware: object[], minute: number) => {
    const next = report(hardware, source({ count: hardware.length, observed_at: T(minute) }));
    const { changes } = reconcile(rows, next, {
      node: NODE,
      now: T(minute),
      endpoint: null,
      sources: [source()],
      most: 10,
    });
    return changes.map(({ device, body }) => {
      expect(JSON.parse(body)).toEqual({ ...device, freshness: undefined });
      return {
        device,
        row: { source: "crypto", uuid: device.uuid, freshness: device.freshness, path: null, trouble: null, body },
      };
    })[0];
  };
  const listed = { type: "Present", status: "true", reason: "Listed", message: "", action: null, since: T(0) };
  const status = { setup_required: false, reboot_required: false, ready: true, conditions: [listed] };
  const first = take([], [{ ...card, acc_status: status }], 1);
  expect(first?.device.acc_status.ready).toBe(true);
  const gone = take(first ? [first.row] : [], [], 2);
  expect(gone?.device).toMatchObject({ freshness: "GONE", acc_status: { ready: false } });
  expect(gone?.device.acc_status.conditions).toMatchObject([{ status: "false", reason: "Gone", since: T(2) }]);
  const back = take(gone ? [gone.row] : [], [{ ...card, acc_status: status }], 3);
  expect(back?.device).toMatchObject({ freshness: "FRESH", acc_status: status });
});

test("a source that failed makes no device gone", () => {
  expect(fate(report([], source({ status: "STALE", count: 0 })))).toEqual([["changed", "STALE"]]);
  expect(fate(report([], source({ status: "STALE", count: 0, observed_at: null })))).toEqual([["changed", "STALE"]]);
  expect(fate(report([], source({ status: "NEVER", count: 0, observed_at: null })))).toEqual([["changed", "STALE"]]);
  expect(fate(report([]))).toEqual([["changed", "STALE"]]);
});

test("a device that left in a good answer before its source failed is gone, once all of that answer is here", () => {
  // The driver took it back, then said LEAVING, before the conductor asked again.
  expect(fate(report([], source({ status: "STALE", count: 0, observed_at: T(2) })))).toEqual([["gone", "GONE"]]);
  // What is stored may have been dated by a conductor whose clock is ahead.
  expect(fate(report([], source({ status: "STALE", count: 0, observed_at: T(0) })))).toEqual([["gone", "GONE"]]);
  expect(fate(report([], source({ status: "STALE", count: 3, observed_at: T(2) })))).toEqual([["changed", "STALE"]]);
});

test("a report with a device that was refused makes no other gone", () => {
  expect(fate(report([{ uuid: "no uuid" }], source({ count: 0, observed_at: T(2) })))).toEqual([["changed", "STALE"]]);
});

test("no more devices are taken in than are stored of one node, those gone included; the rest is as it says", () => {
  const uuid = (n: number) => `00000000-0000-4000-8000-00000000000${n}`;
  const rows: StoredDevice[] = [];
  const take = (minute: number, ...numbers: number[]) => {
    const listed = numbers.map((n) => ({ ...card, uuid: uuid(n) }));
    const next = report(listed, source({ count: listed.length, observed_at: T(minute) }));
    const about = { node: NODE, now: T(minute), endpoint: null, sources: [source()], most: 3 };
    const { changes, sources } = reconcile(rows, next, about);
    for (const { device, body } of changes) {
      const known = rows.findIndex((row) => row.uuid === device.uuid);
      const row = { source: "crypto", uuid: device.uuid, freshness: device.freshness, path: null, trouble: null, body };
      rows.splice(known === -1 ? rows.length : known, known === -1 ? 0 : 1, row);
    }
    return {
      changes: changes.map(({ kind, device }) => `${kind} ${device.uuid.at(-1)}`),
      sources: sources.map(({ name, status, error }) => [name, status, error?.code, error?.message.split(":")[0]]),
    };
  };
  const crypto = ["crypto", "OK", undefined, undefined];
  expect(take(2, 1, 2)).toEqual({ changes: ["added 1", "added 2"], sources: [crypto] });
  // One takes the place of another: what is gone is gone, though not all that came is taken in.
  const refused = ["agent", "STALE", "invalid", "1 devices refused, the first at /hardware/2"];
  expect(take(3, 1, 3, 4)).toEqual({ changes: ["added 3", "gone 2"], sources: [crypto, refused] });
  expect(take(4, 5, 6).changes).toEqual(["gone 1", "gone 3"]);
  expect(rows).toHaveLength(3);
  expect(take(5, 1, 2)).toEqual({ changes: ["added 1", "added 2"], sources: [crypto] });
});

test("changedSources() names what a reader sees differently, not times and wording", () => {
  const before = [source(), source({ name: "gpu" })];
  expect(changedSources(before, [source({ observed_at: T(5) }), source({ name: "gpu" })])).toEqual([]);
  const failed = source({ status: "STALE", error: { code: "timeout", message: "late" } });
  expect(changedSources(before, [failed, source({ name: "gpu" })])).toEqual([failed]);
});

test("a device whose trouble was stored by an older Sinew, which knew none, is written anew with its next report", () => {
  const silent = { type: "Responding", status: "false", reason: "AllOnes", message: "", action: null, since: T(0) };
  const ill = {
    ...card,
    acc_status: { setup_required: false, reboot_required: false, ready: false, conditions: [silent] },
  };
  const next = report([ill], source());
  const [item] = next.items;
  if (!item) throw new Error("refused");
  const device = adopt(item, { source: "crypto", type: null, node: NODE, now: T(0) });
  const row = { source: "crypto", uuid: device.uuid, freshness: "FRESH" as const, path: null, body: bodyOf(device) };
  const kinds = (trouble: string | null) =>
    reconcile([{ ...row, trouble }], next, {
      node: NODE,
      now: T(9),
      endpoint: null,
      sources: [source()],
      most: 10,
    }).changes.map(({ kind }) => kind);
  expect(kinds(null)).toEqual(["changed"]);
  expect(kinds("Responding")).toEqual([]);
});

test("a device that is too long is refused and stays as it was; the others of its report are taken in", () => {
  const long = { ...card, novel: "x".repeat(70_000) };
  const other = { ...card, uuid: "00000000-0000-4000-8000-0000000000ff" };
  expect(fate(report([long], source({ observed_at: T(2) })))).toEqual([]);
  const next = report([long, other], source({ observed_at: T(2), count: 2 }));
  const { changes, sources } = reconcile([], next, { node: NODE, now: T(9), endpoint: null, sources: [], most: 10 });
  expect(changes.map(({ kind, device }) => [kind, device.uuid])).toEqual([["added", other.uuid]]);
  expect(sources.find(({ name }) => name === "agent")?.error?.message).toMatch(
    /1 devices refused, the first at \/hardware\/0: expected a device of at most 65536 characters, got 70\d\d\d/,
  );
});
