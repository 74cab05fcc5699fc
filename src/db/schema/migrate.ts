import type { Connection, Dialect } from "../connection.ts";

interface Migration {
  name: string;
  statements: string[];
}

/** The migrations this program was built with, oldest first. */
export async function readMigrations(dialect: Dialect): Promise<Migration[]> {
  const { readFile } = await import("node:fs/promises");
  const folder = new URL(`../../../drizzle/${dialect}/`, import.meta.url);
  const journal: { entries: { tag: string }[] } = JSON.parse(
    await readFile(new URL("meta/_journal.json", folder), "utf8"),
  );
  return Promise.all(
    journal.entries.map(async ({ tag }) => ({
      name: tag,
      statements: (await readFile(new URL(`${tag}.sql`, folder), "utf8")).split("--> statement-breakpoint"),
    })),
  );
}

const LEDGER = "sinew_migrations";

/** The migrations that `connection`'s database has, or null when Sinew never wrote to it. Reads only. */
export async function appliedMigrations(dialect: Dialect, connection: Connection): Promise<string[] | null> {
  const found = await connection.run(
    dialect === "sqlite"
      ? `SELECT name FROM sqlite_master WHERE type = 'table' AND name = '${LEDGER}'`
      : // Not to_regclass: it remembers a "no" of before the lock, and two processes would both create the tables.
        `SELECT 1 FROM pg_tables WHERE schemaname = current_schema() AND tablename = '${LEDGER}'`,
    [],
  );
  if (found.length === 0) return null;
  return (await connection.run(`SELECT name FROM ${LEDGER} ORDER BY name`, [])).map(([name]) => String(name));
}

/**
 * The oldest program, by the newest migration that it knows, that may use the tables as this one leaves them; the database
 * keeps it. A migration that only adds (tables, columns with a default or without a need for one) leaves it as it is, so that
 * conductors of two versions serve one database while they are exchanged one by one. One that takes anything away, or gives it
 * another meaning, sets it to its own name.
 */
const COMPATIBLE_FROM = "0003_fleet_truth";

/** Throws when the database was written by a newer Sinew whose tables this program may not use: its guesses could spoil it. */
export async function refuseNewer(connection: Connection, known: Migration[], applied: string[]): Promise<void> {
  const names = new Set(known.map(({ name }) => name));
  const newer = applied.filter((name) => !names.has(name));
  if (newer.length === 0) return;
  const [row] = await connection.run("SELECT value FROM meta WHERE key = 'compatible_from'", []);
  const from = row === undefined ? null : String(row[0]);
  if (from !== null && names.has(from)) return;
  throw new Error(
    `a newer Sinew has written this database: it has migration ${newer.join(", ")}, ` +
      `this program knows up to ${known.at(-1)?.name}. Nothing was changed; run the newer program, or restore a backup`,
  );
}

/**
 * Brings the tables up to date and returns the database's epoch. Call inside a transaction that holds a lock which keeps
 * other processes from doing the same: what they did meanwhile is looked up here.
 */
export async function migrate(dialect: Dialect, connection: Connection, known: Migration[]): Promise<string> {
  const applied = await appliedMigrations(dialect, connection);
  await refuseNewer(connection, known, applied ?? []);
  if (applied === null) {
    await connection.run(`CREATE TABLE ${LEDGER} (name text PRIMARY KEY NOT NULL, applied_at text NOT NULL)`, []);
  }
  const mark = dialect === "sqlite" ? (n: number) => `?${n}` : (n: number) => `$${n}`;
  for (const { name, statements } of known) {
    if (applied?.includes(name)) continue;
    for (const statement of statements) await connection.run(statement, []);
    const now = new Date().toISOString();
    await connection.run(`INSERT INTO ${LEDGER} (name, applied_at) VALUES (${mark(1)}, ${mark(2)})`, [name, now]);
  }
  await connection.run(
    `INSERT INTO meta (key, value) VALUES ('epoch', ${mark(1)}), ('revision', '0') ON CONFLICT (key) DO NOTHING`,
    [crypto.randomUUID()],
  );
  // Of two programs the newer one knows what may use its tables.
  if (!applied?.some((name) => !known.some((one) => one.name === name))) {
    await connection.run(
      `INSERT INTO meta (key, value) VALUES ('compatible_from', ${mark(1)})
       ON CONFLICT (key) DO UPDATE SET value = excluded.value WHERE meta.value <> excluded.value`,
      [COMPATIBLE_FROM],
    );
  }
  const [row] = await connection.run(`SELECT value FROM meta WHERE key = 'epoch'`, []);
  return String(row?.[0]);
}
