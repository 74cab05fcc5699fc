import { and, asc, count, eq, gt, inArray, notInArray, or, sql } from "drizzle-orm";
import type { Condition } from "../../contract/condition.ts";
import type { WantedLabel } from "../../contract/fleet/labels.ts";
import type { Node, NodeState } from "../../contract/node.ts";
import { SinewError } from "../../contract/problem.ts";
import { upsert } from "../bulk.ts";
import type { Reader, Writer } from "../connection.ts";
import { padded, rowsOf, textOf } from "../prepared.ts";
import type { NodeRow } from "../schema/tables.ts";
import { currentRevision } from "./changes.ts";
import { type Given, type GivenRow, isCordoned, ofNode } from "./fleet/given.ts";
import { hasLabels } from "./fleet/labels.ts";

export type { NodeRow } from "../schema/tables.ts";

/** A node, and what an operator gave to it. */
export interface ListedNode {
  row: NodeRow;
  given: GivenRow | null;
}

export const toNode = (row: NodeRow, given: Given | null = null): Node => ({
  id: row.id,
  name: row.name,
  // The tiers write a NodeState, and what a hello said once it was parsed: what is read here was typed there.
  state: row.state as NodeState,
  labels: JSON.parse(row.labels) as Node["labels"],
  endpoint: row.endpoint,
  last_seen: row.last_seen,
  api: row.api === null ? null : (JSON.parse(row.api) as Node["api"]),
  generation: row.generation,
  boot_id: row.boot_id,
  first_seen: row.first_seen,
  key: row.key,
  conditions: [row.conditions, row.reported].flatMap((text) =>
    text === null ? [] : (JSON.parse(text) as Condition[]),
  ),
  cordoned: given?.cordoned ?? null,
  said: given?.said ?? null,
});

/** What a hello says. Who owns a node, and how often it was heard, has statements of its own (owners.ts). */
export type NodeFacts = Omit<NodeRow, "owner" | "renewals">;

export const nodeRow = (node: Node, revision: number): NodeFacts => ({
  id: node.id,
  name: node.name,
  state: node.state,
  labels: JSON.stringify(node.labels),
  endpoint: node.endpoint,
  last_seen: node.last_seen,
  api: node.api === null ? null : JSON.stringify(node.api),
  generation: node.generation,
  boot_id: node.boot_id,
  first_seen: node.first_seen,
  key: node.key ?? null,
  conditions: node.conditions?.length ? JSON.stringify(node.conditions) : null,
  reported: null,
  revision,
});

export async function countNodes(r: Reader): Promise<number> {
  const [row] = await r.query((db, { nodes }) => db.select({ count: count() }).from(nodes));
  return row?.count ?? 0;
}

export interface NodeFilter {
  state?: string | undefined;
  cordoned?: boolean | undefined;
  labels?: WantedLabel[] | undefined;
}

/** One page by id, and the revision at which it was exactly that; the id of its last row is `after` for the next. */
export async function listNodes(
  r: Reader,
  { state, labels, cordoned, after, limit }: NodeFilter & { after?: string | undefined; limit: number },
): Promise<{ rows: ListedNode[]; revision: number }> {
  const look = () =>
    r.query((db, tables) => {
      const { nodes, given, meta } = tables;
      return db
        .select({
          row: nodes,
          given,
          revision: sql<string>`(SELECT ${meta.value} FROM ${meta} WHERE ${meta.key} = 'revision')`,
        })
        .from(nodes)
        .leftJoin(given, ofNode(tables))
        .where(
          and(
            cordoned === undefined ? undefined : isCordoned(tables, cordoned),
            state === undefined ? undefined : eq(nodes.state, state),
            labels && hasLabels(r.dialect, nodes, padded(labels)),
            after === undefined ? undefined : gt(nodes.id, after),
          ),
        )
        .orderBy(asc(nodes.id))
        .limit(limit);
    });
  let rows = await look();
  let revision = Number(rows[0]?.revision);
  if (rows.length === 0) {
    // Nothing says when there was nothing. So first when, and then whether that still is so.
    revision = await currentRevision(r);
    rows = await look();
    revision = Number(rows[0]?.revision ?? revision);
  }
  return { rows, revision };
}

export async function getNode(r: Reader, id: string): Promise<NodeRow | null> {
  const text = textOf(r, "getNode", (db, { nodes }) => db.select().from(nodes).where(eq(nodes.id, "")));
  const [row] = rowsOf(r.tables.nodes, await r.run(text, [id]));
  return row ?? null;
}

/** By id, or by name where only one node has it; null: none, or several by that name. */
export async function findNode(r: Reader, idOrName: string): Promise<NodeRow | null> {
  const [row, ...more] = await nodesCalled(r, idOrName);
  return row && more.length === 0 ? row : null;
}

/** The one with this id, else those with this name, by id. */
export async function nodesCalled(r: Reader, idOrName: string): Promise<NodeRow[]> {
  const byId = await getNode(r, idOrName.toLowerCase());
  if (byId) return [byId];
  return r.query((db, { nodes }) =>
    db.select().from(nodes).where(eq(nodes.name, idOrName)).orderBy(asc(nodes.id)).limit(NAMED),
  );
}

/** By id or name. Throws SinewError not_found, and ambiguous_name naming the ids of those that have the name. */
export async function theNode(r: Reader, idOrName: string): Promise<NodeRow> {
  const [row, ...more] = await nodesCalled(r, idOrName);
  if (!row) throw new SinewError("not_found", `no node has the id or the name ${idOrName}`);
  if (more.length === 0) return row;
  const ids = [row, ...more].map(({ id }) => id).join(", ");
  throw new SinewError("ambiguous_name", `expected one node called ${idOrName}, got ${ids}: say which by its id`);
}

/** Nodes of one name: more are not told apart by telling of them. */
const NAMED = 10;

export function saveNode(w: Writer, row: NodeFacts & Partial<NodeRow>): Promise<void> {
  const { owner: _, renewals: __, ...facts } = row;
  return upsert<typeof w.tables.nodes, "owner" | "renewals">(w, w.tables.nodes, ["id"], [facts]);
}

/** Gives a node a row, unless it has one. */
export const addNode = async (w: Writer, row: NodeFacts & Pick<NodeRow, "owner">): Promise<void> => {
  await w.query((db, { nodes }) => db.insert(nodes).values(row).onConflictDoNothing());
};

/** What a node says of itself: JSON, or null for nothing. */
export const setReported = async (w: Writer, id: string, reported: string | null): Promise<void> => {
  await w.query((db, { nodes }) => db.update(nodes).set({ reported }).where(eq(nodes.id, id)));
};

/** A node as its owner left it. */
export type Touched = Pick<NodeRow, "id" | "state" | "owner" | "renewals">;

/**
 * Writes down renewals, many to a statement: this is all that an idle fleet writes. For a node that `by` does not own its
 * counter is raised, by which its owner sees that it was heard. `tell`: resolves to how each of them stands.
 */
export async function touchNodes(
  w: Writer,
  seen: { id: string; last_seen: string }[],
  { by, tell = false }: { by: string; tell?: boolean },
): Promise<Touched[]> {
  const touched: Touched[] = [];
  // In one order everywhere: two conductors must not wait for each other.
  const ordered = seen.toSorted((a, b) => (a.id < b.id ? -1 : 1));
  for (let start = 0; start < ordered.length; start += 64) {
    const chunk = ordered.slice(start, start + 64);
    const at = new Map(chunk.map(({ id, last_seen }) => [id, last_seen]));
    const ids = padded(chunk.map(({ id }) => id));
    const text = textOf(w, `touchNodes ${ids.length} ${tell}`, (_, { nodes }) => {
      const update = w.builder
        .update(nodes)
        // Both dialects call the columns of VALUES column1, column2.
        .set({
          last_seen: sql`seen.column2`,
          renewals: sql`${nodes.renewals} + CASE WHEN ${nodes.owner} = ${by} THEN 0 ELSE 1 END`,
        })
        .from(sql`(VALUES ${sql.join(pairs(ids.length), sql`, `)}) AS seen`)
        .where(sql`${nodes.id} = seen.column1`);
      const { id, state, owner, renewals } = nodes;
      return tell ? update.returning({ id, state, owner, renewals }) : update;
    });
    const rows = await w.run(text, [by, ...ids.flatMap((id) => [id, at.get(id) ?? ""])]);
    if (!tell) continue;
    for (const [id = "", state = "", owner = null, renewals] of rows as string[][])
      touched.push({ id, state, owner, renewals: Number(renewals) });
  }
  return touched;
}

/** So many rows of two values: a text is made of them. */
const pairs = (count: number) => Array.from({ length: count }, () => sql`(${""}, ${""})`);

/** Nodes by id as their last transaction left them; nobody else writes to them until this one ends. */
export async function lockNodes(
  w: Writer,
  nodeIds: string[],
): Promise<Map<string, Pick<NodeRow, "name" | "generation" | "state" | "reported">>> {
  const ids = padded(nodeIds);
  const text = textOf(w, `lockNodes ${ids.length}`, (db, { nodes }) => {
    const { id, name, generation, state, reported } = nodes;
    // In one order, or two would wait for each other.
    return db.select({ id, name, generation, state, reported }).from(nodes).where(inArray(id, ids)).orderBy(asc(id));
  });
  // Not FOR UPDATE, which those would wait for that write devices of the node. SQLite has one writer, and no such words.
  const rows = (await w.run(w.dialect === "postgres" ? `${text} FOR NO KEY UPDATE` : text, ids)) as string[][];
  return new Map(
    rows.map(([id = "", name = "", generation = null, state = "", reported = null]) => [
      id,
      { name, generation, state, reported },
    ]),
  );
}

/** How a node is shown, by what it says and what was given to it. */
export const setShown = async (
  w: Writer,
  id: string,
  shown: Pick<NodeRow, "name" | "labels" | "revision">,
): Promise<void> => {
  await w.query((db, { nodes }) => db.update(nodes).set(shown).where(eq(nodes.id, id)));
};

/** A node that is meant by this name, or id, beside these; null: there is none. */
export async function namedBeside(r: Reader, name: string, but: string[]): Promise<string | null> {
  const [row] = await r.query((db, { nodes }) =>
    db
      .select({ id: nodes.id })
      .from(nodes)
      .where(and(or(eq(nodes.name, name), eq(nodes.id, name.toLowerCase())), notInArray(nodes.id, but)))
      .limit(1),
  );
  return row?.id ?? null;
}

/** Notes which report of each node was taken in last. */
export async function setGenerations(w: Writer, set: { id: string; generation: string }[]): Promise<void> {
  if (set.length === 0) return;
  const ids = padded(set.map(({ id }) => id));
  const generation = new Map(set.map((one) => [one.id, one.generation]));
  const values = ids.flatMap((id) => [id, generation.get(id) ?? ""]);
  const name = `setGenerations ${ids.length}`;
  const text = textOf(w, name, (_, { nodes }) =>
    w.builder
      .update(nodes)
      // Both dialects call the columns of VALUES column1, column2.
      .set({ generation: sql`said.column2` })
      .from(sql`(VALUES ${sql.join(pairs(ids.length), sql`, `)}) AS said`)
      .where(sql`${nodes.id} = said.column1`),
  );
  await w.run(text, values);
}
