import { copyFile, link, open, readlink, realpath, rename, rm, stat } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { appliedMigrations, readMigrations, refuseNewer } from "../schema/migrate.ts";
import { createConnection, openDriver, type SqliteDriver } from "./driver.ts";

const BUSY_MS = 5_000;

/** Throws where no file is there that may be read. */
async function checkFile(path: string): Promise<void> {
  // A pipe would be waited at until somebody writes to it.
  if (!(await stat(path)).isFile()) throw new Error(`${path} is no regular file`);
  await (await open(path, "r")).close();
}

/** Opens a file that is there; SQLite would make it. */
async function openExisting(path: string): Promise<SqliteDriver> {
  await checkFile(path);
  const driver = await openDriver(path);
  driver.exec(`PRAGMA busy_timeout = ${BUSY_MS}`);
  return driver;
}

async function using<T>(driver: SqliteDriver, work: (driver: SqliteDriver) => Promise<T>): Promise<T> {
  try {
    return await work(driver);
  } finally {
    driver.close();
  }
}

/** Throws an Error that says why a file is no database of ours, whole and not of a newer Sinew. */
async function check(driver: SqliteDriver): Promise<void> {
  const connection = createConnection(driver);
  const applied = await appliedMigrations("sqlite", connection);
  if (applied === null) throw new Error("it is a database of another program");
  await refuseNewer(connection, await readMigrations("sqlite"), applied);
  const [found] = driver.prepare("PRAGMA integrity_check(1)")([])[0] ?? [];
  if (found === "ok") return;
  // Below a heading that names the database.
  const said = String(found).split("\n");
  throw new Error(`it is damaged: ${said.find((line) => !line.startsWith("***")) ?? said[0]}`);
}

/** Throws where a part of a database stands in a journal beside it, as while it is in use, and when it was copied then. */
async function checkNoJournal(path: string): Promise<void> {
  for (const end of ["-wal", "-journal"]) {
    const size = await stat(`${path}${end}`).then((found) => found.size, ifNone(0));
    if (size > 0)
      throw new Error(
        `a part of it is in ${path}${end}, as of a database in use or a copy of one: with both where they are, \`sinew backup --db sqlite:${path} FILE\` makes one FILE of them to restore`,
      );
  }
}

/** What stands for a file that is not there. */
const ifNone =
  <T>(value: T) =>
  (error: unknown): T => {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return value;
    throw error;
  };

/** The path that links lead to, whether anything is there or not. */
async function followLinks(path: string): Promise<string> {
  const real = await realpath(path).catch(ifNone(null));
  if (real !== null) return real;
  const to = await readlink(path).catch(ifNone(null));
  return to === null ? path : followLinks(resolve(await realpath(dirname(path)), to));
}

async function flush(path: string): Promise<void> {
  const file = await open(path, "r");
  await file.sync().finally(() => file.close());
}

/** Removes a file, where it still is, with what SQLite may have put beside it. */
async function clear(path: string): Promise<void> {
  for (const end of ["", "-wal", "-shm", "-journal"]) await rm(`${path}${end}`, { force: true });
}

/** A name beside a path that nobody else has. */
const beside = (path: string) => `${path}.${process.pid}-${crypto.randomUUID().slice(0, 8)}.partial`;

/**
 * Writes the database at `path`, as it stands at one moment and while others write to it, to a new file that its owner
 * alone may read. The file is there whole or not at all. Throws what went wrong; `EEXIST` where there is a file already.
 */
export async function backupSqlite(path: string, target: string): Promise<void> {
  const partial = beside(target);
  // Made here, as SQLite would give it the mode that the umask leaves.
  await (await open(partial, "wx", 0o600)).close();
  try {
    await using(await openExisting(path), async (driver) => {
      if ((await appliedMigrations("sqlite", createConnection(driver))) === null)
        throw new Error(`${path} is no database of Sinew`);
      // One read transaction: writers go on, and what they write meanwhile is not in it.
      driver.exec(`VACUUM INTO '${partial.replaceAll("'", "''")}'`);
    });
    await using(await openExisting(partial), check);
    await flush(partial);
    await putWhereNothingIs(partial, target);
  } finally {
    await clear(partial);
  }
  await flush(dirname(target));
}

/** rename(2) would replace what somebody else has put there meanwhile. */
async function putWhereNothingIs(from: string, to: string): Promise<void> {
  await link(from, to).catch(async (error) => {
    // A file system without links.
    if (!["EPERM", "ENOTSUP", "EOPNOTSUPP"].includes(error.code)) throw error;
    await (await open(to, "wx", 0o600)).close();
    await rename(from, to);
  });
}

/**
 * Puts a backup in the place of the database at a path, or of what a link there leads to, under a new epoch: whoever
 * follows the old history has to begin anew. What was there is kept at the path that this resolves to, or null where
 * nothing was. At no moment is there no database. Throws where a process has the database open, or the backup is not whole.
 */
export async function restoreSqlite(backup: string, at: string, now: Date): Promise<{ aside: string | null }> {
  const from = await followLinks(backup);
  await checkFile(from);
  await checkNoJournal(from);
  const path = await followLinks(at);
  const partial = beside(path);
  try {
    await (await open(partial, "wx", 0o600)).close();
    await copyFile(from, partial);
    await using(await openExisting(partial), async (driver) => {
      await check(driver);
      driver.exec("PRAGMA journal_mode = DELETE");
      driver.exec("PRAGMA synchronous = FULL");
      driver.prepare("UPDATE meta SET value = ?1 WHERE key = 'epoch'")([crypto.randomUUID()]);
    });
    await flush(partial);
    const aside = await setAside(path, now);
    await rename(partial, path);
    await flush(dirname(path));
    return { aside };
  } finally {
    await clear(partial);
  }
}

async function setAside(path: string, now: Date): Promise<string | null> {
  const found = await checkFile(path).then(() => true, ifNone(false));
  const aside = found ? `${path}.before-${now.toISOString().replace(/[:.]/g, "-")}` : null;
  if (aside) await foldJournal(path);
  if (aside) await putWhereNothingIs(path, aside);
  // Of a damaged database, or of one that was removed: with another database they would spoil it.
  for (const end of ["-wal", "-shm", "-journal"]) {
    await rename(`${path}${end}`, `${aside ?? `${path}.before`}${end}`).catch(ifNone(undefined));
  }
  return aside;
}

/** Brings what stands in the journal into the file, which only works while nobody else has it open. */
async function foldJournal(path: string): Promise<void> {
  try {
    await using(await openDriver(path), async (driver) => {
      driver.exec("PRAGMA journal_mode = DELETE");
    });
  } catch (error) {
    if (error instanceof Error && /locked|busy/i.test(error.message))
      throw new Error("a process has the database open: stop the conductor first", { cause: error });
    // A damaged database is a reason to restore another one: it is set aside as it is.
  }
}
