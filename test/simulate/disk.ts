import { SinewError } from "../../src/contract/problem.ts";
import type { Database, Reader, Writer } from "../../src/db/connection.ts";
import type { Store } from "../../src/world.ts";
import type { Dice } from "./dice.ts";
import { Killed, type Run } from "./process.ts";

/** How a disk is at present. */
export interface Disk {
  /** The most that a write takes, in ms. */
  slowMs: number;
  full: boolean;
  /** The next write ends its process: before anything is written, in the middle, or before anyone hears of it. */
  fatal: "before" | "middle" | "after" | null;
}

export const healthy = (): Disk => ({ slowMs: 0, full: false, fatal: null });

const never = new Promise<never>(() => {});

/** One writer at a time over all processes on one file: SQLite would stop this whole process to wait for another. */
export class FileLock {
  #last: Promise<unknown> = Promise.resolve();

  hold<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#last.then(work);
    this.#last = result.catch(() => {});
    return result;
  }
}

/**
 * The database as one run of a conductor has it: it takes time, it fails with its disk, and it ends with its run, in the
 * middle of a transaction too. `committed` is called in the moment that something is.
 */
export function onDisk(
  db: Database,
  { run, disk, dice, lock, committed }: { run: Run; disk: Disk; dice: Dice; lock: FileLock; committed: () => void },
): Database {
  const pace = async () => {
    if (disk.slowMs > 0) await run.sleepOrDie(dice.next() * disk.slowMs);
    // Now and then any disk takes its time, and others get their turn.
    else if (dice.chance(0.02)) await run.sleepOrDie(dice.between(0.05, 5));
    else if (!run.alive) throw new Killed();
  };
  const reading = (reader: Reader): Reader => ({
    ...reader,
    async query(build) {
      await pace().catch(() => never);
      return reader.query(build);
    },
    async run(text, params) {
      await pace().catch(() => never);
      return reader.run(text, params);
    },
  });
  const writing = (tx: Writer): Writer => ({
    ...tx,
    async query(build) {
      await pace();
      return tx.query(build);
    },
    async run(text, params) {
      await pace();
      const rows = await tx.run(text, params);
      if (disk.fatal === "middle") die();
      return rows;
    },
  });
  const die = () => {
    disk.fatal = null;
    run.end();
    throw new Killed();
  };
  const write: Database["write"] = (work) =>
    lock.hold(async () => {
      await pace();
      if (disk.fatal === "before") die();
      if (disk.full) throw new SinewError("unavailable", "the database cannot write: database or disk is full");
      const result = await db.write(async (tx) => {
        const done = await work(writing(tx));
        if (!run.alive) throw new Killed();
        return done;
      });
      committed();
      if (disk.fatal === "after") die();
      return result;
    });
  return {
    dialect: db.dialect,
    epoch: db.epoch,
    read: reading(db.read),
    // A dead process hears nothing, not even of its own failure.
    write: (work) =>
      write(work).then(
        (result) => (run.alive ? result : never),
        (error) => (run.alive ? Promise.reject(error) : never),
      ),
    revision: () => (run.alive ? db.revision() : never),
    watch: (wake) => db.watch(() => run.alive && wake()),
    close: () => db.close(),
  };
}

/** An agent's document, which survives it. */
export class Document {
  text: string | null = null;
  readonly disk: Disk = healthy();

  store(run: Run, dice: Dice): Store {
    return {
      load: async () => (this.text === null ? null : JSON.parse(this.text)),
      save: async (document) => {
        const text = JSON.stringify(document);
        if (this.disk.slowMs > 0 || dice.chance(0.1)) await run.sleep(dice.next() * Math.max(5, this.disk.slowMs));
        if (!run.alive) return never;
        if (this.disk.full) throw new Error("no space left on device");
        const { fatal } = this.disk;
        this.disk.fatal = null;
        if (fatal === "before" || fatal === "middle") run.end();
        else this.text = text;
        if (fatal === "after") run.end();
        if (!run.alive) return never;
      },
    };
  }
}
