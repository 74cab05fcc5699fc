import { bigint, boolean, index, pgTable, primaryKey, text, uniqueIndex } from "drizzle-orm/pg-core";
import type { Columns } from "./columns-sqlite.ts";

const own = {
  table: pgTable,
  // text for JSON too: jsonb reorders keys and refuses the escape of U+0000.
  text: (name: string) => text(name),
  // PostgreSQL's integer has 32 bits: a busy fleet's revision outgrows it.
  bigint: (name: string) => bigint(name, { mode: "number" }),
  counter: (name: string) => bigint(name, { mode: "number" }).notNull().default(0),
  boolean: (name: string) => boolean(name),
  id: (name: string) => bigint(name, { mode: "number" }).primaryKey().generatedAlwaysAsIdentity(),
  primaryKey,
  index,
  uniqueIndex,
} satisfies Record<keyof Columns, unknown>;

/**
 * What `defineTables` builds with, for PostgreSQL.
 * Safe because each builder holds the same JavaScript type as SQLite's of the same name (`satisfies` compares the names,
 * test/db the values), and because queries use only what drizzle's two dialects spell alike.
 */
export const columns = own as unknown as Columns;
