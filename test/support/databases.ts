import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { hasPostgres } from "./postgres.ts";
import { freshDatabase, type TestDatabase, usedDatabase } from "./postgres-databases.ts";

export type { TestDatabase };

async function openSqlite(): Promise<TestDatabase> {
  const folder = await mkdtemp(join(tmpdir(), "sinew-sqlite-"));
  return { url: `sqlite:${join(folder, "sinew.sqlite")}`, close: () => rm(folder, { recursive: true }) };
}

interface Databases {
  name: "sqlite" | "postgres";
  /** Without a row; on PostgreSQL its tables may be there already, as making them takes most of a test's time. */
  open(): Promise<TestDatabase>;
  /** Without a table: for those who look at how tables are made. */
  empty(): Promise<TestDatabase>;
}

/** One database per `open()`, in each dialect: `describe.each(databases)("... on $name", ({ open }) => ...)`. */
export const databases: Databases[] = [
  { name: "sqlite", open: openSqlite, empty: openSqlite },
  ...(hasPostgres ? [{ name: "postgres" as const, open: usedDatabase, empty: freshDatabase }] : []),
];
