import type { Freshness, Hardware, Source } from "../../../contract/hardware.ts";
import type { NodeState } from "../../../contract/node.ts";
import type { Report } from "../../../contract/peer.ts";
import type { Database } from "../../../db/database.ts";
import { devicesOfNodes } from "../../../db/queries/hardware.ts";
import { lockNodes, setGenerations, setReported } from "../../../db/queries/nodes.ts";
import { changeSources, sourceRow, sourcesOfNodes, toSource } from "../../../db/queries/sources.ts";
import { isCurrent } from "../fleet.ts";
import { changedSources, MOST_DEVICES, reconcile } from "./reconcile.ts";
import { type Breathe, type Recorded, record } from "./record.ts";

export type { Breathe } from "./record.ts";

/** A report, and what it is taken in on top of. */
export interface Taking {
  report: Report & { generation: string };
  node: Hardware["node"];
  /** The generation of the report before it, as far as this conductor knows. */
  from: string | null;
  endpoint: string;
  /** RFC 3339 */
  now: string;
}

/**
 * Null when another conductor was first; not taken when the node was written down as left or lost while the answer was
 * under way. `size`: characters of JSON of the devices that it changed.
 */
export type Taken = { taken: boolean; size: number } | null;

/**
 * Takes reports of different nodes in: one transaction, one `changes` row per changed device. What each became, in their
 * order.
 */
export function writeReports(db: Database, takings: Taking[], breathe?: Breathe): Promise<Taken[]> {
  return db.write(async (tx) => {
    const ids = takings.map(({ node }) => node.id);
    // Locked: who wrote a node before has committed, and who comes after waits.
    const rows = await lockNodes(tx, ids);
    const taking = takings.filter(({ node, from }) => rows.has(node.id) && rows.get(node.id)?.generation === from);
    const own = taking.map(({ node }) => node.id);
    await setGenerations(
      tx,
      taking.map(({ node, report }) => ({ id: node.id, generation: report.generation })),
    );
    const devices = await devicesOfNodes(tx, own);
    const sourceRows = await sourcesOfNodes(tx, own);
    const recorded: Recorded[] = [];
    const written: Parameters<typeof changeSources>[1] = [];
    for (const {
      report,
      node: { id },
      endpoint,
      now,
    } of taking) {
      await breathe?.();
      const row = rows.get(id);
      const state = row?.state as NodeState; // written from a NodeState only
      if (!row || !isCurrent(state)) continue;
      // As it is stored: an operator may have named it since this conductor looked.
      const node = { id, name: row.name };
      const reported = report.conditions.length > 0 ? JSON.stringify(report.conditions) : null;
      const said = reported !== row.reported;
      if (said) await setReported(tx, node.id, reported);
      const stored = (devices.get(node.id) ?? []).map((one) => ({ ...one, freshness: one.freshness as Freshness })); // written from a Freshness only
      const before = sourceRows.get(node.id) ?? [];
      const known: Source[] = before.map(toSource);
      const about = { node, now, endpoint, sources: known, most: MOST_DEVICES };
      const { changes, sources } = reconcile(stored, report, about);
      written.push({ node_id: node.id, before, after: sources.map((source) => sourceRow(node.id, source)) });
      const changed = changedSources(known, sources);
      const fewer = known.some(({ name }) => !sources.some((source) => source.name === name));
      const tell = changed.length > 0 || fewer || said;
      recorded.push({ node, now, changes, state: tell ? { state, sources: changed, listed: fewer } : null });
    }
    await changeSources(tx, written);
    await record(tx, recorded, breathe);
    const taken = new Map(
      recorded.map(({ node, changes }) => [node.id, changes.reduce((sum, { body }) => sum + body.length, 0)]),
    );
    return takings.map((one) => {
      if (!taking.includes(one)) return null;
      return { taken: taken.has(one.node.id), size: taken.get(one.node.id) ?? 0 };
    });
  });
}
