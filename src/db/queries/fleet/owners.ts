import { and, asc, count, eq, gt, inArray, isNull, max, min, notInArray, or, sql } from "drizzle-orm";
import { upsert } from "../../bulk.ts";
import type { Reader, Writer } from "../../connection.ts";
import { chunked, padded, rowsOf, textOf } from "../../prepared.ts";
import type { ConductorRow, NodeRow } from "../../schema/tables.ts";

export type { ConductorRow, NodeRow } from "../../schema/tables.ts";

/** One run of a conductor. */
export type Run = Pick<ConductorRow, "id" | "session">;

const isRun = ({ conductors }: Writer["tables"], { id, session }: Run) =>
  and(eq(conductors.id, id), eq(conductors.session, session));

export async function allConductors(r: Reader): Promise<ConductorRow[]> {
  const text = textOf(r, "allConductors", (db, { conductors }) =>
    db.select().from(conductors).orderBy(asc(conductors.id)),
  );
  return rowsOf(r.tables.conductors, await r.run(text, []));
}

/** Says that a conductor serves from now on; whatever stood under its id is replaced. */
export const enter = (w: Writer, row: ConductorRow): Promise<void> => upsert(w, w.tables.conductors, ["id"], [row]);

/** One more sign of life. False: this run is not a conductor's any more. */
export async function renewRun(w: Writer, run: Run): Promise<boolean> {
  const text = textOf(w, "renewRun", (_, tables) =>
    w.builder
      .update(tables.conductors)
      .set({ renewals: sql`${tables.conductors.renewals} + 1` })
      .where(isRun(tables, run))
      .returning({ id: tables.conductors.id }),
  );
  return (await w.run(text, [run.id, run.session])).length === 1;
}

/** Says that a run ends, so that others need not wait for its silence. */
export const leave = async (w: Writer, run: Run): Promise<void> => {
  await w.query((db, tables) => db.update(tables.conductors).set({ leaving: true }).where(isRun(tables, run)));
};

/** Takes a dead conductor's place. False: somebody else was first, or it has shown itself since. */
export async function expel(w: Writer, dead: Run & Pick<ConductorRow, "renewals">): Promise<boolean> {
  const gone = await w.query((db, tables) =>
    db
      .delete(tables.conductors)
      .where(and(isRun(tables, dead), eq(tables.conductors.renewals, dead.renewals)))
      .returning({ id: tables.conductors.id }),
  );
  return gone.length === 1;
}

/** Gives all nodes of one conductor to another. */
export const takeNodesOf = async (w: Writer, from: string, to: string): Promise<void> => {
  await w.query((db, { nodes }) => db.update(nodes).set({ owner: to }).where(eq(nodes.owner, from)));
};

/** Takes the nodes that nobody has, or somebody who is no conductor. */
export async function adoptNodes(w: Writer, to: string): Promise<void> {
  await w.query((db, { nodes, conductors }) => {
    const known = db.select({ id: conductors.id }).from(conductors);
    return db
      .update(nodes)
      .set({ owner: to })
      .where(or(isNull(nodes.owner), notInArray(nodes.owner, known)));
  });
}

/** Makes nodes one's own, and keeps others from writing to them until the end of the transaction; those that there are. */
export async function takeNodes(w: Writer, ids: string[], owner: string): Promise<NodeRow[]> {
  const keys = padded(ids);
  const text = textOf(w, `takeNodes ${keys.length}`, (_, { nodes }) =>
    w.builder.update(nodes).set({ owner }).where(inArray(nodes.id, keys)).returning(),
  );
  return rowsOf(w.tables.nodes, await w.run(text, [owner, ...keys]));
}

export async function takeNode(w: Writer, id: string, owner: string): Promise<NodeRow | null> {
  const text = textOf(w, "takeNode", (_, { nodes }) =>
    w.builder.update(nodes).set({ owner }).where(eq(nodes.id, id)).returning(),
  );
  const [row] = rowsOf(w.tables.nodes, await w.run(text, [owner, id]));
  return row ?? null;
}

/** As `takeNode`, of a node that is one's own already; null: it is not. */
export async function holdNode(w: Writer, id: string, owner: string): Promise<NodeRow | null> {
  const text = textOf(w, "holdNode", (_, { nodes }) =>
    w.builder
      .update(nodes)
      .set({ owner })
      .where(and(eq(nodes.id, id), eq(nodes.owner, owner)))
      .returning(),
  );
  const [row] = rowsOf(w.tables.nodes, await w.run(text, [owner, id, owner]));
  return row ?? null;
}

/** One page of a conductor's nodes by id; the id of its last row is `after` for the next. */
export const nodesOf = (
  r: Reader,
  owner: string,
  { after, limit }: { after?: string | undefined; limit: number },
): Promise<NodeRow[]> =>
  r.query((db, { nodes }) =>
    db
      .select()
      .from(nodes)
      .where(and(eq(nodes.owner, owner), after === undefined ? undefined : gt(nodes.id, after)))
      .orderBy(asc(nodes.id))
      .limit(limit),
  );

/**
 * Nodes whose devices are stored as the answer of the stored generation showed them: all sources are OK and no device is
 * shown as old. Of any other something came between, and has to be asked for anew.
 */
export async function settledNodes(r: Reader): Promise<Set<string>> {
  const good = await r.query((db, { sources }) =>
    db
      .select({ id: sources.node_id })
      .from(sources)
      .groupBy(sources.node_id)
      .having(and(eq(min(sources.status), "OK"), eq(max(sources.status), "OK"))),
  );
  const stale = await r.query((db, { hardware }) =>
    db.select({ id: hardware.node_id }).from(hardware).where(eq(hardware.freshness, "STALE")).groupBy(hardware.node_id),
  );
  const settled = new Set(good.map(({ id }) => id));
  for (const { id } of stale) settled.delete(id);
  return settled;
}

/** How often these nodes were heard, at whatever conductor, and whose they are. */
export async function renewalsOf(r: Reader, ids: string[]): Promise<Map<string, Pick<NodeRow, "owner" | "renewals">>> {
  const rows = await chunked(ids, (keys) => {
    const some = padded(keys);
    const text = textOf(r, `renewalsOf ${some.length}`, (db, { nodes }) =>
      db
        .select({ id: nodes.id, owner: nodes.owner, renewals: nodes.renewals })
        .from(nodes)
        .where(inArray(nodes.id, some)),
    );
    return r.run(text, some) as Promise<[string, string | null, number | string][]>;
  });
  return new Map(rows.map(([id, owner, renewals]) => [id, { owner, renewals: Number(renewals) }]));
}

/** How many nodes each conductor has. */
export async function nodesByOwner(r: Reader): Promise<Map<string | null, number>> {
  const rows = await r.query((db, { nodes }) =>
    db.select({ owner: nodes.owner, count: count() }).from(nodes).groupBy(nodes.owner),
  );
  return new Map(rows.map(({ owner, count }) => [owner, count]));
}
