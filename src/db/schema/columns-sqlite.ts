import { sql } from "drizzle-orm";
import { index, integer, primaryKey, sqliteTable, text, uniqueIndex } from "drizzle-orm/sqlite-core";

/** What `defineTables` builds with, for SQLite. Every name is written out: the proxy driver ignores `casing`. */
export const columns = {
  table: sqliteTable,
  text: (name: string) => text(name),
  /** A 64-bit integer that stays below 2^53, a `number` here. */
  bigint: (name: string) => integer(name),
  /** As `bigint`, from 0: also where an older Sinew, which does not know the column, inserts the row. */
  // In SQL, as drizzle would bind a value: one parameter more than the row has.
  counter: (name: string) => integer(name).notNull().default(sql`0`),
  boolean: (name: string) => integer(name, { mode: "boolean" }),
  // AUTOINCREMENT never gives an id twice, so a keyset page taken before a delete stays right.
  id: (name: string) => integer(name).primaryKey({ autoIncrement: true }),
  primaryKey,
  index,
  uniqueIndex,
};
export type Columns = typeof columns;
