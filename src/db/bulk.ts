import { getTableColumns, sql } from "drizzle-orm";
import type { SQLiteTable } from "drizzle-orm/sqlite-core";
import type { Writer } from "./connection.ts";

// Each size is a statement of its own that the driver keeps: this bounds how many, and stays below every parameter limit.
const ROWS_PER_STATEMENT = 64;

/** `Left`: columns that others write; an insert leaves them to their default. */
type Rows<T extends SQLiteTable, Left extends PropertyKey = never> =
  | Omit<T["$inferSelect"], "id" | Left>[]
  | T["$inferSelect"][];

/** Inserts whole rows, many to a statement; a row whose `key` is there already is replaced. Of two equal keys the last wins. */
export async function upsert<T extends SQLiteTable, Left extends PropertyKey = never>(
  w: Writer,
  table: T,
  key: (keyof T["_"]["columns"] & string)[],
  rows: Rows<T, Left>,
): Promise<void> {
  // PostgreSQL refuses a statement that meets one key twice. No text that is stored holds U+0000.
  const last = new Map(rows.map((row: Record<string, unknown>) => [key.map((name) => row[name]).join("\0"), row]));
  await write(w, table, key, [...last.values()]);
}

/** Inserts whole rows, many to a statement; a row whose key is there already is an error. */
export const insert = <T extends SQLiteTable>(w: Writer, table: T, rows: Rows<T>): Promise<void> =>
  write(w, table, null, rows);

async function write(w: Writer, table: SQLiteTable, key: string[] | null, rows: Record<string, unknown>[]) {
  const columns = Object.entries(getTableColumns(table)).filter(([name]) => name in (rows[0] ?? {}));
  for (let start = 0; start < rows.length; start += ROWS_PER_STATEMENT) {
    const chunk = rows.slice(start, start + ROWS_PER_STATEMENT);
    const text = textOf(w, table, key, columns, chunk.length);
    const params = chunk.flatMap((row) =>
      columns.map(([name, column]) => (row[name] === null ? null : column.mapToDriverValue(row[name]))),
    );
    await w.run(text, params);
  }
}

/**
 * Texts by table and number of rows; each table is always written one way. Keyed by the table object, of which each
 * dialect has its own. drizzle building them anew was nine tenths of the cost of writing to SQLite.
 */
const texts = new WeakMap<SQLiteTable, Map<number, string>>();

type Columns = [string, ReturnType<typeof getTableColumns>[string]][];

function textOf(w: Writer, table: SQLiteTable, key: string[] | null, columns: Columns, rows: number): string {
  const known = texts.get(table) ?? new Map<number, string>();
  texts.set(table, known);
  const text = known.get(rows) ?? makeText(w, table, key, columns, rows);
  known.set(rows, text);
  return text;
}

function makeText(w: Writer, table: SQLiteTable, key: string[] | null, columns: Columns, rows: number): string {
  // Any value will do: only the text is taken.
  const sample = Object.fromEntries(columns.map(([name]) => [name, sql`${null}`]));
  const statement = w.builder.insert(table).values(Array.from({ length: rows }, () => sample));
  if (!key) return statement.toSQL().sql;
  const set = columns.filter(([name]) => !key.includes(name)).map(([name]) => [name, sql.raw(`excluded."${name}"`)]);
  const target = columns.filter(([name]) => key.includes(name)).map(([, column]) => column);
  return statement.onConflictDoUpdate({ target, set: Object.fromEntries(set) }).toSQL().sql;
}
