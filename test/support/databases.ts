import { randomUUID } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import postgres from "postgres";
import { hasPostgres, postgresServer } from "./postgres.ts";

export interface TestDatabase {
  /** For `openDatabase`. */
  url: string;
  /** Removes it, with whoever is still connected. */
  close(): Promise<void>;
}

async function openSqlite(): Promise<TestDatabase> {
  const folder = await mkdtemp(join(tmpdir(), "sinew-sqlite-"));
  return { url: `sqlite:${join(folder, "sinew.sqlite")}`, close: () => rm(folder, { recursive: true }) };
}

async function openPostgres(): Promise<TestDatabase> {
  const server = await postgresServer();
  const name = `t_${randomUUID().replaceAll("-", "")}`;
  const run = async (statement: string) => {
    const admin = postgres(`${server}/postgres`, { max: 1 });
    await admin.unsafe(statement).finally(() => admin.end());
  };
  await run(`CREATE DATABASE ${name}`);
  return { url: `${server}/${name}`, close: () => run(`DROP DATABASE ${name} WITH (FORCE)`) };
}

/** One empty database per `open()`, in each dialect: `describe.each(databases)("... on $name", ({ open }) => ...)`. */
export const databases: { name: "sqlite" | "postgres"; open: () => Promise<TestDatabase> }[] = [
  { name: "sqlite", open: openSqlite },
  ...(hasPostgres ? [{ name: "postgres" as const, open: openPostgres }] : []),
];
