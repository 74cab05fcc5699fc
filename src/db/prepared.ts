import { getTableColumns } from "drizzle-orm";
import type { SQLiteTable } from "drizzle-orm/sqlite-core";
import type { Reader } from "./connection.ts";
import type { Tables } from "./schema/tables.ts";

/** By the tables' object, of which each dialect has its own. */
const texts = new WeakMap<Tables, Map<string, string>>();

/**
 * The text of a statement that is asked often: drizzle makes it once for each `name`, and `Reader.run` sends it. Building
 * it anew, and making objects of the rows, costs more than the statement. `build` gives any value as a parameter: only
 * the text is taken, and `run` is given the values in the order in which they stand in it.
 */
export function textOf(
  r: Reader,
  name: string,
  build: (db: Reader["builder"], tables: Tables) => { toSQL(): { sql: string } },
): string {
  const known = texts.get(r.tables) ?? new Map<string, string>();
  texts.set(r.tables, known);
  const text = known.get(name) ?? build(r.builder, r.tables).toSQL().sql;
  known.set(name, text);
  return text;
}

/** What a statement without named columns gave, `SELECT *` in the order of the table, as rows of that table. */
export function rowsOf<T extends SQLiteTable>(table: T, rows: unknown[][]): T["$inferSelect"][] {
  const columns = Object.entries(getTableColumns(table));
  return rows.map((values) => {
    const row: Record<string, unknown> = {};
    for (const [at, [name, column]] of columns.entries()) {
      const value = values[at] ?? null;
      row[name] = value === null ? null : column.mapFromDriverValue(value);
    }
    return row as T["$inferSelect"]; // every column of it, each by its own mapping
  });
}

/** A list of keys in a statement is no longer than this. */
const KEYS_AT_ONCE = 500;

/** What `read` finds for some of the keys at a time, all together. */
export async function chunked<T, R>(keys: readonly T[], read: (some: T[]) => Promise<R[]>): Promise<R[]> {
  const found: R[] = [];
  for (let start = 0; start < keys.length; start += KEYS_AT_ONCE)
    found.push(...(await read(keys.slice(start, start + KEYS_AT_ONCE))));
  return found;
}

/** As many keys as a power of two, the last one repeated: so that there are few texts, whatever the number of keys. */
export function padded<T>(keys: T[]): T[] {
  const last = keys.at(-1);
  if (last === undefined) return [];
  let size = 1;
  while (size < keys.length) size *= 2;
  return [...keys, ...Array.from({ length: size - keys.length }, () => last)];
}
