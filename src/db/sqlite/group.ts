import type { SqliteDriver } from "./driver.ts";

/** What shares a transaction ends after so long: whoever reads from this process waits meanwhile. */
const GROUP_MS = 15;

/** More are waited for while each turn of the event loop brings some: for so many turns, and up to so many. */
const GATHER_TURNS = 8;
const GATHER = 64;

interface Waiting {
  run: () => Promise<void>;
  resolve: () => void;
  reject: (error: unknown) => void;
}

export interface Groups {
  /**
   * Runs `work` in a transaction, in the order of calling; rejects with what it threw, or with what kept it from being
   * committed, and nothing of it has happened then. It may run twice.
   */
  write<T>(work: () => Promise<T>): Promise<T>;
  /** Resolves when all that was to be written is, or has failed. */
  idle(): Promise<void>;
}

/**
 * SQLite has one writer: writes take turns here, so that none waits inside SQLite and stops the process. A commit waits
 * for the disk: what came in the same turn of the event loop as the commit before shares one, each behind a savepoint of
 * its own. A single write is committed at once.
 */
export function createGroups(driver: Pick<SqliteDriver, "exec">, committed: () => void): Groups {
  const waiting: Waiting[] = [];
  let busy = false;
  let drained = Promise.resolve();

  async function drain() {
    while (waiting.length > 0) {
      await (waiting.length === 1 ? alone(waiting.shift()) : together());
      await gathered();
    }
    busy = false;
  }

  /** Those whose turn of the event loop it is bring more: as long as they do, one commit more would hold up all of them. */
  async function gathered() {
    for (let turn = 0; turn < GATHER_TURNS; turn += 1) {
      const before = waiting.length;
      await new Promise<void>((resume) => setImmediate(resume));
      if (waiting.length === before || waiting.length >= GATHER) return;
    }
  }

  async function alone(one: Waiting | undefined) {
    if (!one) return;
    try {
      await transaction(driver, one.run);
    } catch (error) {
      return one.reject(error);
    }
    committed();
    one.resolve();
  }

  async function together() {
    const until = performance.now() + GROUP_MS;
    const done: Waiting[] = [];
    const failed: { one: Waiting; error: unknown }[] = [];
    try {
      await transaction(driver, async () => {
        while (waiting.length > 0 && performance.now() < until) {
          const one = waiting.shift();
          if (!one) break;
          done.push(one);
          driver.exec("SAVEPOINT one");
          try {
            await one.run();
          } catch (error) {
            // Where SQLite has rolled back all of it this throws, too.
            driver.exec("ROLLBACK TO one");
            done.pop();
            failed.push({ one, error });
          }
          driver.exec("RELEASE one");
        }
      });
    } catch {
      // Nobody knows whose fault it was: each is told by itself. Where it could not begin, one at least is told so.
      const tried = [...done, ...failed.map(({ one }) => one)];
      if (tried.length === 0) await alone(waiting.shift());
      for (const one of tried) await alone(one);
      return;
    }
    if (done.length > 0) committed();
    for (const { resolve } of done) resolve();
    for (const { one, error } of failed) one.reject(error);
  }

  return {
    write(work) {
      return new Promise((resolve, reject) => {
        let result: Awaited<ReturnType<typeof work>>;
        waiting.push({
          run: async () => {
            result = await work();
          },
          resolve: () => resolve(result),
          reject,
        });
        if (busy) return;
        busy = true;
        drained = drain();
      });
    },
    idle: () => drained,
  };
}

/** drizzle's own transaction on bun:sqlite commits at the first await, whatever happens after it. */
export async function transaction<T>(driver: Pick<SqliteDriver, "exec">, work: () => Promise<T>): Promise<T> {
  driver.exec("BEGIN IMMEDIATE");
  try {
    const result = await work();
    driver.exec("COMMIT");
    return result;
  } catch (error) {
    try {
      driver.exec("ROLLBACK");
    } catch {
      // SQLite has already rolled back by itself (a full disk, for one); the first error is the one to report.
    }
    throw error;
  }
}
