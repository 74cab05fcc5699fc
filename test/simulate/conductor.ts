import { createConductor } from "../../src/create/conductor.ts";
import { openDatabase } from "../../src/db/database.ts";
import type { Tier } from "../../src/tiers/tier.ts";
import { type FileLock, healthy, onDisk } from "./disk.ts";
import { DIAL } from "./node.ts";
import { Machine, Process, type Stage } from "./process.ts";

interface Options {
  file: string;
  lock: FileLock;
  leaseSeconds: number | null;
  committed: () => void;
  /** Hears of it when it serves, */
  began: () => void;
  /** and of each end of it. */
  ended: (process: Process) => void;
}

/** A conductor on the fleet's file, which outlives it. */
export class SimConductor {
  readonly process: Process;
  readonly disk = healthy();
  readonly #stage: Stage;
  readonly #options: Options;
  #tier: Tier | null = null;
  #starting = false;
  /** Resolves when the file of the last run is closed. */
  #closed: Promise<void> = Promise.resolve();

  constructor(number: number, stage: Stage, options: Options) {
    this.#stage = stage;
    this.#options = options;
    this.process = new Process(`conductor ${number}`, new Machine(`10.1.0.${number}`), 1336, stage);
  }

  start(): Promise<void> {
    if (this.process.run || this.#starting) return Promise.resolve();
    this.#starting = true;
    // Not to be waited for here: somebody else may be writing, and time has to pass until he is done.
    void this.#begin().finally(() => {
      this.#starting = false;
    });
    return Promise.resolve();
  }

  async #begin(): Promise<void> {
    await this.#closed;
    const { file, lock, leaseSeconds, committed } = this.#options;
    const opened = await lock.hold(() => this.#stage.clock.real(openDatabase(`sqlite:${file}`)));
    const run = this.process.begin();
    const dice = this.#stage.dice.fork(`disk ${this.process.name} ${run.number}`);
    const db = onDisk(opened, { run, disk: this.disk, dice, lock, committed });
    run.ended.add(() => {
      this.#tier = null;
      this.#options.ended(this.process);
      this.#closed = opened.close();
    });
    const tier = await createConductor({
      auth: "open",
      db,
      id: "the-fleet",
      self: { id: this.process.name, name: this.process.name, version: "simulated" },
      world: run.world,
      leaseSeconds,
      endpoint: this.process.endpoint,
      dial: DIAL,
      bootId: run.world.uuid(),
    });
    this.#tier = tier;
    run.fetch = tier.fetch;
    // One that cannot begin ends, and whoever watches over it starts it again.
    tier.start().then(this.#options.began, (error) => {
      run.world.log("error", "the conductor cannot start", { error: String(error) });
      run.end();
    });
  }

  /** Resolves when nobody has the file open for it. */
  closed(): Promise<void> {
    return this.#closed;
  }

  /** Ends in good order. */
  stop(): void {
    const { run } = this.process;
    const tier = this.#tier;
    if (!run || !tier) return;
    this.#stage.journal.write(`${this.process.name} is told to stop`);
    void tier.stop().then(() => run.end());
  }
}
