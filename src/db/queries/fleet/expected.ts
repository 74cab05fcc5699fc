import { and, eq, inArray, isNull, sql } from "drizzle-orm";
import type { ExpectedNode } from "../../../contract/fleet/expected.ts";
import { upsert } from "../../bulk.ts";
import type { Reader, Writer } from "../../connection.ts";
import { chunked, padded, textOf } from "../../prepared.ts";
import type { NodeRow } from "../../schema/tables.ts";
import { metaOf, setMeta } from "../changes.ts";

const KEY = "expected_nodes";

/** The whole list, as it was given. */
export async function expectedNodes(r: Reader): Promise<ExpectedNode[]> {
  const text = await metaOf(r, KEY);
  return text === null ? [] : (JSON.parse(text) as ExpectedNode[]); // written by `saveExpected` alone
}

/** How many they are, without reading them. */
export async function countExpected(r: Reader): Promise<number> {
  const [row] = await r.query((db, { meta }) => {
    const list = r.dialect === "sqlite" ? meta.value : sql`CAST(${meta.value} AS json)`;
    return db
      .select({ count: sql<number>`json_array_length(${list})` })
      .from(meta)
      .where(eq(meta.key, KEY));
  });
  return Number(row?.count ?? 0);
}

export const saveExpected = (w: Writer, nodes: readonly ExpectedNode[]): Promise<void> =>
  setMeta(w, KEY, JSON.stringify(nodes));

export type KnownNode = Pick<NodeRow, "id" | "name" | "state" | "labels" | "key">;

export const nodesById = (r: Reader, ids: readonly string[]): Promise<KnownNode[]> => knownBy(r, "id", ids);

/** Nodes with these names that were seen, or have joined. */
export const seenByName = async (r: Reader, names: readonly string[]): Promise<KnownNode[]> =>
  (await knownBy(r, "name", names)).filter(({ state, key }) => state !== "EXPECTED" || key !== null);

const knownBy = (r: Reader, column: "id" | "name", values: readonly string[]): Promise<KnownNode[]> =>
  chunked(values, async (some) => {
    const keys = padded(some);
    const text = textOf(r, `knownBy ${column} ${keys.length}`, (db, { nodes: n }) =>
      db
        .select({ id: n.id, name: n.name, state: n.state, labels: n.labels, key: n.key })
        .from(n)
        .where(inArray(n[column], keys)),
    );
    const rows = (await r.run(text, keys)) as [string, string, string, string, string | null][];
    return rows.map(([id, name, state, labels, key]) => ({ id, name, state, labels, key }));
  });

/** Adds nodes that nobody has seen, or writes what is expected of them anew. */
export const saveUnseen = (
  w: Writer,
  rows: { id: string; name: string; labels: Record<string, string>; revision: number }[],
  now: string,
): Promise<void> =>
  upsert<typeof w.tables.nodes, "owner" | "renewals">(
    w,
    w.tables.nodes,
    ["id"],
    rows.map(({ labels, ...row }) => ({
      ...row,
      ...{ state: "EXPECTED", labels: JSON.stringify(labels), endpoint: null, last_seen: null, api: null },
      ...{ generation: null, boot_id: null, first_seen: now, key: null, conditions: null, reported: null },
    })),
  );

/** Forgets those of these nodes that nobody has seen; which they are. */
export const forgetUnseen = (w: Writer, ids: readonly string[]): Promise<{ id: string; name: string }[]> =>
  chunked(ids, async (some) => {
    const keys = padded(some);
    const text = textOf(w, `forgetUnseen ${keys.length}`, (_, { nodes: n }) =>
      w.builder
        .delete(n)
        .where(and(inArray(n.id, keys), eq(n.state, "EXPECTED"), isNull(n.key)))
        .returning({ id: n.id, name: n.name }),
    );
    const rows = (await w.run(text, [...keys, "EXPECTED"])) as string[][];
    return rows.map(([id = "", name = ""]) => ({ id, name }));
  });
