import type { Database } from "./connection.ts";

export type { Database, Reader, Writer } from "./connection.ts";

/**
 * Opens `sqlite:PATH` or `postgres://user:password@host:port/name` and brings its tables up to date.
 * Throws an Error of one line, without the password, that says what was expected and what was found.
 */
export async function openDatabase(url: string): Promise<Database> {
  const scheme = /^[a-z]+(?=:)/.exec(url)?.[0];
  // Drivers are loaded where they are used: a runtime need only have the one it is asked for.
  if (scheme === "sqlite") return (await import("./sqlite/sqlite.ts")).openSqlite(url.slice("sqlite:".length));
  if (scheme === "postgres" || scheme === "postgresql")
    return (await import("./postgres/postgres.ts")).openPostgres(url);
  const found = scheme ? `one that begins with ${scheme}:` : "one without a scheme";
  throw new Error(`expected a database URL such as sqlite:PATH or postgres://HOST/NAME, found ${found}`);
}
