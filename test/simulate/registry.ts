import { type Database, openDatabase } from "../../src/db/database.ts";
import { setKey } from "../../src/db/queries/keys.ts";
import { writeState } from "../../src/tiers/conductor/inventory/write.ts";
import type { Clock } from "./clock.ts";
import type { FileLock } from "./disk.ts";

interface Options {
  file: string;
  lock: FileLock;
  clock: Clock;
  /** Who has a node until it is heard. */
  owner: string;
  committed: () => void;
}

/** Has nodes join: writes what a conductor writes when one comes with its join token. */
export class Registry {
  #db: Database | null = null;
  readonly #options: Options;

  constructor(options: Options) {
    this.#options = options;
  }

  admit({ id, name }: { id: string; name: string }, key: string): Promise<void> {
    const { file, lock, clock, owner, committed } = this.#options;
    return lock.hold(async () => {
      this.#db ??= await clock.real(openDatabase(`sqlite:${file}`));
      const now = new Date(Date.UTC(2026, 0, 1) + Math.floor(clock.now)).toISOString();
      const row = { id, name, state: "EXPECTED", labels: "{}", endpoint: null, last_seen: null, api: null };
      const rest = { generation: null, boot_id: null, first_seen: now, key: null, conditions: null };
      await writeState(this.#db, { ...row, ...rest }, { now, devices: "keep", owner });
      await this.#db.write((tx) => setKey(tx, id, null, key));
      committed();
    });
  }

  async close(): Promise<void> {
    await this.#db?.close();
    this.#db = null;
  }
}
