import { and, asc, count, eq, gt, inArray, or, sql } from "drizzle-orm";
import type { WantedLabel } from "../../contract/fleet/labels.ts";
import type { FleetSource, Source, SourceErrorCode } from "../../contract/hardware.ts";
import { upsert } from "../bulk.ts";
import type { Reader, Writer } from "../connection.ts";
import { chunked, padded, textOf } from "../prepared.ts";
import type { SourceRow, Tables } from "../schema/tables.ts";
import { labelled } from "./fleet/labels.ts";

export type { SourceRow } from "../schema/tables.ts";

/** The name of the source that stands for the node's agent itself: where its answer as a whole was at fault. */
export const AGENT_SOURCE = "agent";

export const toSource = (row: SourceRow): Source => ({
  name: row.name,
  type: row.type,
  endpoint: row.endpoint,
  // `sourceRow` alone writes status and code: what is read here was typed there.
  status: row.status as Source["status"],
  observed_at: row.observed_at,
  count: row.count,
  error: row.error_code === null ? null : { code: row.error_code as SourceErrorCode, message: row.error_message ?? "" },
});

export const sourceRow = (nodeId: string, source: Source): SourceRow => ({
  node_id: nodeId,
  name: source.name,
  type: source.type,
  endpoint: source.endpoint,
  status: source.status,
  observed_at: source.observed_at,
  count: source.count,
  error_code: source.error?.code ?? null,
  // A broken peer's own words: they may hold what no database stores, and must not cost the whole report.
  error_message: source.error?.message.toWellFormed().replaceAll("\0", "\uFFFD") ?? null,
});

export interface SourceFilter {
  /** A node's id or name. */
  node?: string;
  status?: Source["status"];
  labels?: WantedLabel[];
}

export interface SourcePlace {
  node: string;
  name: string;
}

export const toFleetSource = (row: SourceRow & { node_name: string }): FleetSource => ({
  ...toSource(row),
  node: { id: row.node_id, name: row.node_name },
});

/**
 * When a source was good last, by a node that was heard at `last_seen`. What a report says is written when the report is
 * another one: a node that says hello without news says that its sources are as they were, and no row is written for that.
 */
export const lastGood = <S extends Pick<SourceRow, "status" | "observed_at">>(
  source: S,
  last_seen: string | null,
): S => (source.status === "OK" && last_seen !== null ? { ...source, observed_at: last_seen } : source);

export const sourcesOfNode = (r: Reader, nodeId: string): Promise<SourceRow[]> =>
  r.query((db, { sources }) => db.select().from(sources).where(eq(sources.node_id, nodeId)).orderBy(asc(sources.name)));

/** The sources of several nodes, by node. */
export async function sourcesOfNodes(r: Reader, nodeIds: string[]): Promise<Map<string, SourceRow[]>> {
  const found = new Map<string, SourceRow[]>();
  const ids = padded(nodeIds);
  if (ids.length === 0) return found;
  const text = textOf(r, `sourcesOfNodes ${ids.length}`, (db, { sources }) =>
    db.select().from(sources).where(inArray(sources.node_id, ids)).orderBy(asc(sources.node_id), asc(sources.name)),
  );
  for (const [node_id, name, type, endpoint, status, observed_at, count, ...error] of await r.run(text, ids)) {
    const [error_code, error_message] = error;
    const row = { node_id, name, type, endpoint, status, observed_at, count: Number(count), error_code, error_message };
    const rows = found.get(String(node_id)) ?? [];
    rows.push(row as SourceRow); // in the schema's order, as it declares them
    found.set(String(node_id), rows);
  }
  return found;
}

/** Makes `rows` the node's sources. Rows that are the same already are not written. */
export async function replaceSources(w: Writer, nodeId: string, rows: SourceRow[]): Promise<void> {
  await changeSources(w, [{ node_id: nodeId, before: await sourcesOfNode(w, nodeId), after: rows }]);
}

/** The same of several nodes whose stored rows are known. */
export async function changeSources(
  w: Writer,
  all: { node_id: string; before: SourceRow[]; after: SourceRow[] }[],
): Promise<void> {
  const differing: SourceRow[] = [];
  for (const { node_id, before, after } of all) {
    const old = new Map(before.map((row) => [row.name, row]));
    differing.push(...after.filter((row) => !isSame(row, old.get(row.name))));
    for (const { name } of after) old.delete(name);
    const left = [...old.keys()];
    if (left.length === 0) continue;
    await chunked(left, (some) => {
      const names = padded(some);
      const text = textOf(w, `changeSources ${names.length}`, (_, { sources }) =>
        w.builder.delete(sources).where(and(eq(sources.node_id, node_id), inArray(sources.name, names))),
      );
      return w.run(text, [node_id, ...names]);
    });
  }
  await upsert(w, w.tables.sources, ["node_id", "name"], differing);
}

const isSame = (row: SourceRow, old: SourceRow | undefined): boolean =>
  old !== undefined && (Object.keys(row) as (keyof SourceRow)[]).every((column) => row[column] === old[column]);

/** Of one node, by id or name, or of all. */
const ofNode = (nodes: Tables["nodes"], node: string | undefined) =>
  node === undefined ? undefined : or(eq(nodes.id, node), eq(nodes.name, node));

/** Sources that are not OK, with their nodes' names. */
export const failedSources = (
  r: Reader,
  limit: number,
  node?: string,
): Promise<(SourceRow & { node_name: string })[]> =>
  r
    .query((db, { sources, nodes }) =>
      db
        .select({ source: sources, node_name: nodes.name })
        .from(sources)
        .innerJoin(nodes, eq(nodes.id, sources.node_id))
        // By name, not "other than OK": the few are found by an index.
        .where(and(inArray(sources.status, ["STALE", "NEVER"]), ofNode(nodes, node)))
        .orderBy(asc(sources.node_id), asc(sources.name))
        .limit(limit),
    )
    .then((rows) => rows.map(({ source, node_name }) => ({ ...source, node_name })));

/**
 * One page of the fleet's sources by node and name; both of the last one are `after` for the next. Those of a node that is
 * heard, and answers, were good when it was heard last.
 */
export const listSources = (
  r: Reader,
  { node, status, labels, after }: SourceFilter & { after?: SourcePlace | undefined },
  limit: number,
): Promise<(SourceRow & { node_name: string })[]> =>
  r
    .query((db, { sources: s, nodes }) =>
      db
        .select({
          ...{ source: s, node_name: nodes.name, last_seen: nodes.last_seen },
          vouched: sql<unknown>`${nodes.state} IN ('LIVE', 'LATE') AND NOT EXISTS (SELECT 1 FROM ${s} AS own
            WHERE own.node_id = ${s.node_id} AND own.name = ${AGENT_SOURCE} AND own.status <> 'OK')`,
        })
        .from(s)
        .innerJoin(nodes, eq(nodes.id, s.node_id))
        .where(
          and(
            ofNode(nodes, node),
            status === undefined ? undefined : eq(s.status, status),
            labels && labels.length > 0 ? inArray(s.node_id, labelled(r, { nodes }, padded(labels))) : undefined,
            after && or(gt(s.node_id, after.node), and(eq(s.node_id, after.node), gt(s.name, after.name))),
          ),
        )
        .orderBy(asc(s.node_id), asc(s.name))
        .limit(limit),
    )
    .then((rows) =>
      rows.map(({ source, node_name, last_seen, vouched }) => ({
        ...lastGood(source, vouched ? last_seen : null),
        node_name,
      })),
    );

export async function sourcesSummary(
  r: Reader,
  node?: string,
): Promise<{ total: number; ok: number; stale: number; never: number }> {
  const rows = await r.query((db, { sources, nodes }) => {
    const counts = db.select({ status: sources.status, count: count() }).from(sources);
    if (node === undefined) return counts.groupBy(sources.status);
    return counts.innerJoin(nodes, eq(nodes.id, sources.node_id)).where(ofNode(nodes, node)).groupBy(sources.status);
  });
  const of = (status: Source["status"]) => rows.find((row) => row.status === status)?.count ?? 0;
  return {
    total: rows.reduce((sum, row) => sum + row.count, 0),
    ok: of("OK"),
    stale: of("STALE"),
    never: of("NEVER"),
  };
}
