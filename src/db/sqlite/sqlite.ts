import { drizzle } from "drizzle-orm/sqlite-proxy";
import { SinewError } from "../../contract/problem.ts";
import {
  type Connection,
  createWatchers,
  createWriter,
  type Database,
  type Drizzle,
  whileOpen,
} from "../connection.ts";
import { currentRevision } from "../queries/changes.ts";
import { appliedMigrations, migrate, readMigrations, refuseNewer } from "../schema/migrate.ts";
import * as tables from "../schema/tables-sqlite.ts";
import { createConnection, openDriver, type SqliteDriver } from "./driver.ts";
import { createGroups, transaction } from "./group.ts";

const BUSY_MS = 5_000;

/** Opens the file at `path`, creating it if need be: one connection that writes, one that cannot. */
export async function openSqlite(path: string): Promise<Database> {
  if (path === "" || path.includes(":memory:") || path.startsWith("file:")) {
    throw new Error(
      `expected sqlite: and the path of a file, found sqlite:${path} (readers need a connection of their own, which a database in memory cannot give)`,
    );
  }
  const opened: SqliteDriver[] = [];
  const open = async () => {
    const driver = await openDriver(path);
    opened.push(driver);
    driver.exec(`PRAGMA busy_timeout = ${BUSY_MS}`);
    return driver;
  };
  try {
    await makePrivate(path);
    const writer = await open();
    const epoch = await prepareFile(writer);
    const reader = await open();
    reader.exec("PRAGMA query_only = 1");
    return createDatabase(writer, reader, epoch);
  } catch (error) {
    for (const driver of opened) driver.close();
    throw new Error(`cannot use the SQLite database ${path}: ${await reason(path, error)}`, { cause: error });
  }
}

/** A fleet's inventory is nobody else's to read; SQLite gives its -wal and -shm files the mode of this one. */
async function makePrivate(path: string): Promise<void> {
  const { open } = await import("node:fs/promises");
  // Only a file that is not there yet: whoever shares one with a group has chosen to. Other errors are SQLite's to tell.
  await open(path, "wx", 0o600).then(
    (file) => file.close(),
    () => {},
  );
}

/** Returns the epoch. Looks before it writes: someone else's file, or a newer one, is left as it was. */
async function prepareFile(writer: SqliteDriver): Promise<string> {
  const known = await readMigrations("sqlite");
  const connection = createConnection(writer);
  const deadline = Date.now() + BUSY_MS;
  for (;;) {
    try {
      const applied = await appliedMigrations("sqlite", connection);
      await refuseNewer(connection, known, applied ?? []);
      if (applied === null) {
        const [other] = await connection.run("SELECT name FROM sqlite_master LIMIT 1", []);
        // A second look, because another process may have made our tables between the two.
        if (other && (await appliedMigrations("sqlite", connection)) === null) {
          throw new Error(`expected an empty or a Sinew database, found table ${other[0]} of another program`);
        }
      }
      writer.exec("PRAGMA journal_mode = WAL");
      writer.exec("PRAGMA synchronous = FULL");
      writer.exec("PRAGMA foreign_keys = ON");
      // Default 2 MB: keys are random, and a fleet's indexes are larger than that.
      writer.exec("PRAGMA cache_size = -16384");
      return await transaction(writer, () => migrate("sqlite", connection, known));
    } catch (error) {
      // Turning WAL on does not wait for busy_timeout when two processes do it at once.
      if (!isBusy(error) || Date.now() > deadline) throw error;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}

function createDatabase(writer: SqliteDriver, reader: SqliteDriver, epoch: string): Database {
  const connection = translated(createConnection(writer));
  const read = createWriter("sqlite", translated(createConnection(reader)), tables, adapt);
  // Differs after any commit but this connection's own, and this one never commits.
  const dataVersion = reader.prepare("PRAGMA data_version");
  let version: unknown;
  let revision = 0;
  const { watch, wake } = createWatchers();
  let closed = false;
  let ended = Promise.resolve();
  const groups = createGroups(writer, wake);
  return {
    dialect: "sqlite",
    epoch,
    read,
    async revision() {
      const now = dataVersion([])[0]?.[0];
      if (now === version) return revision;
      revision = await currentRevision(read);
      version = now;
      return revision;
    },
    write: (work) => {
      if (closed) return Promise.reject(new SinewError("unavailable", "the database is closed"));
      return groups
        .write(() => whileOpen(connection, (own) => work(createWriter("sqlite", own, tables, adapt))))
        .catch((error) => {
          throw translate(error);
        });
    },
    watch,
    close: async () => {
      if (closed) return ended;
      closed = true;
      ended = groups.idle().then(() => {
        // The writer last: the last connection to close folds the WAL into the file.
        reader.close();
        writer.close();
      });
      return ended;
    },
  };
}

const adapt = (connection: Connection): Drizzle =>
  drizzle(async (text, params, method) => {
    const rows = await connection.run(text, params);
    // For `get` drizzle expects the row itself, or undefined, which its declared type leaves out.
    return { rows: method === "get" ? (rows[0] as unknown[]) : rows };
  });

const translated = (connection: Connection): Connection => ({
  run: (text, params) =>
    connection.run(text, params).catch((error) => {
      throw translate(error);
    }),
});

/** Trouble of the machine, not of the request, is 503; the rest stays what it is. */
function translate(error: unknown): unknown {
  const text = error instanceof Error ? error.message : "";
  if (isBusy(error))
    return new SinewError("unavailable", "another process is writing to the database", { cause: error });
  if (/database or disk is full|disk I\/O error/.test(text)) {
    return new SinewError("unavailable", `the database cannot write: ${text}`, { cause: error });
  }
  return error;
}

function isBusy(error: unknown): boolean {
  const cause = error instanceof SinewError ? error.cause : error;
  return cause instanceof Error && /database( table)? is locked/.test(cause.message);
}

/** Why a file could not be opened, in words that say what to look at. */
async function reason(path: string, error: unknown): Promise<string> {
  const text = error instanceof Error ? error.message : String(error);
  if (/not a database/.test(text)) return "expected an SQLite database, found a file of another kind";
  if (/malformed/.test(text)) return `it is damaged (${text})`;
  if (isBusy(error)) return "another process keeps it locked";
  if (!/unable to open|authorization|readonly/.test(text)) return text;
  const { stat } = await import("node:fs/promises");
  const { dirname } = await import("node:path");
  const file = await stat(path).catch(() => null);
  if (file?.isDirectory()) return "expected a file, found a directory";
  if (file) return "this user may not read and write it, or its directory";
  const folder = await stat(dirname(path)).catch(() => null);
  if (!folder) return `expected the directory ${dirname(path)}, found none`;
  return `this user may not create a file in ${dirname(path)}`;
}
