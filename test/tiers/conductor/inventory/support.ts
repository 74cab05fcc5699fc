import { parseReport } from "../../../../src/contract/peer.ts";
import type { Database } from "../../../../src/db/database.ts";
import { saveNode } from "../../../../src/db/queries/nodes.ts";
import type { Taking } from "../../../../src/tiers/conductor/inventory/report.ts";

export const TIME = "2026-11-23T00:00:00.000Z";
/** The n-th of something, as a UUID. */
export const nth = (n: number, of = 0) =>
  `00000000-0000-4000-8000-${String(of).padStart(4, "0")}${String(n).padStart(8, "0")}`;

export const source = (name: string, status: "OK" | "STALE", count = 0) => ({
  ...{ name, type: "GPU", endpoint: null, status, observed_at: TIME, count },
  error: status === "OK" ? null : { code: "timeout", message: "no answer" },
});

export const nodeOf = (n: number) => ({ id: nth(n), name: `node-${n}` });

/** Stores the n-th node, LIVE and without a report. */
export const addNode = (db: Database, n: number, state = "LIVE"): Promise<void> =>
  db.write((tx) =>
    saveNode(tx, {
      ...nodeOf(n),
      ...{ state, labels: "{}", endpoint: null, last_seen: TIME, api: null, generation: null, boot_id: null },
      ...{ first_seen: TIME, key: null, conditions: null, reported: null, revision: 0 },
    }),
  );

/** A report of the n-th node with devices of these uuids, as an agent sends it. */
export function taking(
  n: number,
  {
    uuids = [nth(0, n)],
    generation,
    from = null,
    name = "card",
    sources = [source("gpu", "OK", uuids.length)],
  }: {
    uuids?: string[];
    generation: string;
    from?: string | null;
    name?: string;
    sources?: ReturnType<typeof source>[];
  },
): Taking {
  const hardware = uuids.map((uuid) => ({ uuid, name, source: "gpu", first_seen: TIME }));
  const report = parseReport({ hardware, sources, generation }, { devices: 25_000, bySource: true });
  return { report: { ...report, generation }, node: nodeOf(n), from, endpoint: "", now: TIME };
}
