import {
  and,
  asc,
  desc,
  eq,
  getTableColumns,
  gt,
  gte,
  inArray,
  isNotNull,
  like,
  lt,
  lte,
  ne,
  not,
  or,
  sql,
} from "drizzle-orm";
import { upsert } from "../../bulk.ts";
import type { Reader, Writer } from "../../connection.ts";
import { chunked, padded, rowsOf, textOf } from "../../prepared.ts";
import type { AlarmRow, HardwareRow, NodeRow, SourceRow } from "../../schema/tables.ts";

import { cordonColumn, nameIn, saysColumn } from "./given.ts";

export type { AlarmRow } from "../../schema/tables.ts";

/** What of nodes can be a trouble. */
export interface Facts {
  nodes: (Pick<NodeRow, "id" | "name" | "state" | "labels" | "api" | "conditions" | "reported" | "revision"> &
    Service & {
      /** The name that it says itself, where it was given another one. */
      says?: string | null;
    })[];
  /** Those that are not OK. */
  sources: SourceRow[];
  /** Those that are ill or gone, of each node at most `LOOKED_AT` of either. */
  devices: (Pick<HardwareRow, "node_id" | "source" | "uuid" | "freshness" | "trouble" | "body"> & Service)[];
}

interface Service {
  /** Out of service by an operator. */
  cordoned?: boolean;
}

/** Ill devices of one node that are looked at, and gone ones: what an agent reports without end must cost nobody else. */
const LOOKED_AT = 1_000;

export async function factsOf(r: Reader, nodeIds: string[]): Promise<Facts> {
  const ids = padded(nodeIds);
  if (ids.length === 0) return { nodes: [], sources: [], devices: [] };
  const nodesText = textOf(r, `factsOf nodes ${ids.length}`, (db, { nodes, given }) =>
    db
      .select({
        ...getTableColumns(nodes),
        cordoned: cordonColumn(given, "node", '"nodes"."id"'),
        said: saysColumn(given, '"nodes"."id"'),
      })
      .from(nodes)
      .where(inArray(nodes.id, ids)),
  );
  const nodeRows = await r.run(nodesText, ids);
  const nodes = rowsOf(r.tables.nodes, nodeRows).map((node, index) => ({
    ...node,
    cordoned: (nodeRows[index]?.at(-2) ?? null) !== null,
    says: nameIn((nodeRows[index]?.at(-1) ?? null) as string | null), // a column of texts
  }));
  const sourcesText = textOf(r, `factsOf sources ${ids.length}`, (db, { sources }) =>
    db
      .select()
      .from(sources)
      .where(and(inArray(sources.node_id, ids), ne(sources.status, "OK"))),
  );
  const sources = rowsOf(r.tables.sources, await r.run(sourcesText, [...ids, "OK"]));
  const devicesText = textOf(r, `factsOf devices ${ids.length}`, (db, { hardware: h, given }) => {
    // What is no card comes and goes by the hundred, and must not hide one.
    const minor = sql`CASE WHEN ${h.device_type} = 'GENERIC' OR ${h.path} LIKE '%/vf%' THEN 1 ELSE 0 END`;
    const place = sql<number>`ROW_NUMBER() OVER (PARTITION BY ${h.node_id}, ${h.freshness} ORDER BY ${minor}, ${h.id})`;
    const placed = db
      .select({ id: h.id, place: place.as("place") })
      .from(h)
      .where(and(inArray(h.node_id, ids), or(isNotNull(h.trouble), eq(h.freshness, "GONE"))))
      .as("placed");
    const few = db
      .select({ id: placed.id })
      .from(placed)
      .where(lte(placed.place, sql.raw(String(LOOKED_AT))));
    return db
      .select({
        node_id: h.node_id,
        source: h.source,
        uuid: h.uuid,
        freshness: h.freshness,
        trouble: h.trouble,
        body: h.body,
        cordoned: cordonColumn(given, "device", '"hardware"."uuid"'),
      })
      .from(h)
      .where(inArray(h.id, few))
      .orderBy(asc(h.id));
  });
  const rows = (await r.run(devicesText, [...ids, "GONE"])) as string[][];
  const devices = rows.map(([node_id, source, uuid, freshness, trouble, body, cordon]) => {
    const row = { node_id, source, uuid, freshness, trouble, body } as Facts["devices"][number]; // as the schema declares them
    return { ...row, cordoned: (cordon ?? null) !== null };
  });
  return { nodes, sources, devices };
}

/** Which of these devices are stored, GONE ones too: each as its node and its uuid. */
export async function knownDevices(r: Reader, uuids: readonly string[]): Promise<Set<string>> {
  const rows = await chunked(uuids, (some) => {
    const keys = padded(some);
    const text = textOf(r, `knownDevices ${keys.length}`, (db, { hardware: h }) =>
      db.select({ node_id: h.node_id, uuid: h.uuid }).from(h).where(inArray(h.uuid, keys)),
    );
    return r.run(text, keys) as Promise<string[][]>;
  });
  return new Set(rows.map(([node, uuid]) => `${node} ${uuid}`));
}

/** Every node that has, or had, anything to alarm about. */
export async function troubledNodes(r: Reader): Promise<string[]> {
  const found = await Promise.all([
    r.query((db, { nodes }) =>
      db
        .select({ id: nodes.id })
        .from(nodes)
        .where(
          or(
            inArray(nodes.state, ["LOST", "EXPECTED", "CONFLICT", "INCOMPATIBLE"]),
            isNotNull(nodes.conditions),
            isNotNull(nodes.reported),
          ),
        ),
    ),
    r.query((db, { sources }) =>
      db.selectDistinct({ id: sources.node_id }).from(sources).where(ne(sources.status, "OK")),
    ),
    r.query((db, { hardware: h }) => db.selectDistinct({ id: h.node_id }).from(h).where(isNotNull(h.trouble))),
    r.query((db, { hardware: h }) => db.selectDistinct({ id: h.node_id }).from(h).where(eq(h.freshness, "GONE"))),
    r.query((db, { alarms }) =>
      db
        .selectDistinct({ id: alarms.node_id })
        .from(alarms)
        .where(and(isNotNull(alarms.open), isNotNull(alarms.node_id))),
    ),
  ]);
  return [...new Set(found.flatMap((rows) => rows.flatMap(({ id }) => id ?? [])))];
}

/** Nodes of which anything was said after one revision, up to another, and whether that they are lost; not the alarms themselves. */
export const changedNodes = (r: Reader, after: number, upTo: number): Promise<{ id: string; lost: boolean }[]> =>
  r
    .query((db, { changes }) =>
      db
        .select({ id: changes.node_id, lost: sql`MAX(CASE WHEN ${changes.state} = 'LOST' THEN 1 ELSE 0 END)` })
        .from(changes)
        .where(and(gt(changes.revision, after), lte(changes.revision, upTo), ne(changes.kind, "alarm")))
        .groupBy(changes.node_id),
    )
    .then((rows) => rows.map(({ id, lost }) => ({ id, lost: Number(lost) === 1 })));

/** The oldest change there is; null: none. */
export async function oldestChange(r: Reader): Promise<number | null> {
  const [row] = await r.query((db, { changes }) =>
    db.select({ revision: changes.revision }).from(changes).orderBy(asc(changes.revision)).limit(1),
  );
  return row?.revision ?? null;
}

const OPEN = ["pending", "firing"];

export async function openAlarms(r: Reader, nodes: string[]): Promise<AlarmRow[]> {
  const ids = padded(nodes);
  if (ids.length === 0) return [];
  const text = textOf(r, `openAlarms ${ids.length}`, (db, { alarms }) =>
    db
      .select()
      .from(alarms)
      .where(and(inArray(alarms.state, OPEN), inArray(alarms.node_id, ids))),
  );
  return rowsOf(r.tables.alarms, await r.run(text, [...OPEN, ...ids]));
}

export async function openAlarm(r: Reader, fingerprint: string): Promise<AlarmRow | null> {
  const [row] = await r.query((db, { alarms }) => db.select().from(alarms).where(eq(alarms.open, fingerprint)));
  return row ?? null;
}

export async function getAlarm(r: Reader, id: string): Promise<AlarmRow | null> {
  const [row] = await r.query((db, { alarms }) => db.select().from(alarms).where(eq(alarms.id, id)));
  return row ?? null;
}

export interface AlarmFilter {
  state?: string;
  kind?: string;
  /** A node's id or name. */
  node?: string;
  severity?: string;
  acknowledged?: boolean;
}

/** Newest first; `before` is the position of a page's last row. What is pending is left out unless it is asked for. */
export const listAlarms = (
  r: Reader,
  { state, kind, node, severity, acknowledged }: AlarmFilter,
  { before, limit }: { before?: number | undefined; limit: number },
): Promise<AlarmRow[]> =>
  r.query((db, { alarms }) => {
    // Within JSON text quotes are escaped: nothing that anybody says can look like this.
    const nobody = like(alarms.body, '%"acknowledged":null%');
    return db
      .select()
      .from(alarms)
      .where(
        and(
          state === undefined ? ne(alarms.state, "pending") : eq(alarms.state, state),
          kind === undefined ? undefined : eq(alarms.kind, kind),
          node === undefined ? undefined : or(eq(alarms.node_id, node.toLowerCase()), eq(alarms.node_name, node)),
          severity === undefined ? undefined : eq(alarms.severity, severity),
          acknowledged === undefined ? undefined : acknowledged ? not(nobody) : nobody,
          before === undefined ? undefined : lt(alarms.position, before),
        ),
      )
      .orderBy(desc(alarms.position))
      .limit(limit);
  });

/** Those that fire, oldest first. */
export const firingAlarms = (r: Reader, { after, limit }: { after: number; limit: number }): Promise<AlarmRow[]> =>
  r.query((db, { alarms }) =>
    db
      .select()
      .from(alarms)
      .where(and(eq(alarms.state, "firing"), gt(alarms.position, after)))
      .orderBy(asc(alarms.position))
      .limit(limit),
  );

/** Those that were resolved since a revision, the newest first. */
export const resolvedSince = (r: Reader, revision: number, limit: number): Promise<AlarmRow[]> =>
  r.query((db, { alarms }) =>
    db
      .select()
      .from(alarms)
      .where(and(eq(alarms.state, "resolved"), gte(alarms.revision, revision)))
      .orderBy(desc(alarms.position))
      .limit(limit),
  );

/** Makes all others who look at alarms to write wait until this transaction ends. */
export async function lockAlarms(w: Writer): Promise<void> {
  await w.query((db, { meta }) =>
    db
      .insert(meta)
      .values({ key: "alarms", value: "" })
      .onConflictDoUpdate({ target: meta.key, set: { value: sql`excluded.value` } }),
  );
}

/** Adds alarms, or replaces those with the same id, which keep their place. */
export const saveAlarms = (w: Writer, rows: Omit<AlarmRow, "position">[]): Promise<void> =>
  upsert<typeof w.tables.alarms, "position">(w, w.tables.alarms, ["id"], rows);

/** Of those that never fired. */
export async function deletePending(w: Writer, ids: string[]): Promise<void> {
  if (ids.length === 0) return;
  await w.query((db, { alarms }) => db.delete(alarms).where(and(inArray(alarms.id, ids), eq(alarms.state, "pending"))));
}

/** The devices of these nodes that are not gone. */
export const devicesOf = (r: Reader, nodes: string[]): Promise<{ node_id: string; source: string; uuid: string }[]> =>
  r.query((db, { hardware: h }) =>
    db
      .select({ node_id: h.node_id, source: h.source, uuid: h.uuid })
      .from(h)
      .where(and(inArray(h.node_id, nodes), ne(h.freshness, "GONE")))
      .orderBy(asc(h.id)),
  );
