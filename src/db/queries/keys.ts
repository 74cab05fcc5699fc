import { and, asc, eq, inArray, isNotNull, isNull, ne, sql } from "drizzle-orm";
import type { Reader, Writer } from "../connection.ts";
import { chunked, padded, textOf } from "../prepared.ts";
import type { NodeRow } from "../schema/tables.ts";
import { metaOf } from "./changes.ts";

/** Counts every change of a node's key: what another conductor changed is found by reading one row. */
const COUNTER = "keys";

export async function nodeByKey(r: Reader, key: string): Promise<NodeRow | null> {
  const [row] = await r.query((db, { nodes }) => db.select().from(nodes).where(eq(nodes.key, key)));
  return row ?? null;
}

/** A node that has a key and this name, beside the one with this id; null: there is none. */
export async function keyedByName(r: Reader, name: string, but: string): Promise<string | null> {
  const text = textOf(r, "keyedByName", (db, { nodes }) =>
    db
      .select({ id: nodes.id })
      .from(nodes)
      .where(and(eq(nodes.name, name), ne(nodes.id, but), isNotNull(nodes.key)))
      .orderBy(asc(nodes.id)),
  );
  const [row] = (await r.run(text, [name, but])) as string[][];
  return row?.[0] ?? null;
}

/** The keys of these nodes, as they stand now. */
export async function keysOf(r: Reader, ids: string[]): Promise<Map<string, string | null>> {
  const rows = await chunked(ids, (some) => {
    const keys = padded(some);
    const text = textOf(r, `keysOf ${keys.length}`, (db, { nodes }) =>
      db.select({ id: nodes.id, key: nodes.key }).from(nodes).where(inArray(nodes.id, keys)),
    );
    return r.run(text, keys) as Promise<[string, string | null][]>;
  });
  return new Map(rows);
}

/** Gives a node that has a row its key. False: it has another one than `from` by now, and keeps it. */
export async function setKey(w: Writer, id: string, from: string | null, to: string): Promise<boolean> {
  const set = await w.query((db, { nodes }) =>
    db
      .update(nodes)
      .set({ key: to })
      .where(and(eq(nodes.id, id), from === null ? isNull(nodes.key) : eq(nodes.key, from)))
      .returning({ id: nodes.id }),
  );
  if (set.length === 1) await countKeys(w);
  return set.length === 1;
}

export async function forgetKey(w: Writer, id: string): Promise<void> {
  await w.query((db, { nodes }) => db.update(nodes).set({ key: null }).where(eq(nodes.id, id)));
  await countKeys(w);
}

/** Tells all conductors that keys, or nodes that may have one, are others than they were. */
export async function countKeys(w: Writer): Promise<void> {
  await w.query((db, { meta }) =>
    db
      .insert(meta)
      .values({ key: COUNTER, value: "1" })
      .onConflictDoUpdate({ target: meta.key, set: { value: sql`CAST(CAST(${meta.value} AS bigint) + 1 AS text)` } }),
  );
}

export async function keysVersion(r: Reader): Promise<string> {
  return (await metaOf(r, COUNTER)) ?? "0";
}
