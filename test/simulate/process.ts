import type { RequestEnv } from "../../src/tiers/tier.ts";
import type { World } from "../../src/world.ts";
import type { Clock, Entry } from "./clock.ts";
import type { Dice } from "./dice.ts";
import type { Journal } from "./journal.ts";
import type { Network } from "./network.ts";

const BEGIN = Date.UTC(2026, 0, 1);

/** What all processes of one simulation share. */
export interface Stage {
  clock: Clock;
  dice: Dice;
  journal: Journal;
  network: Network;
}

/** A machine: an address, and a wall clock that may be wrong. */
export class Machine {
  readonly address: string;
  /** Milliseconds that its wall clock is ahead. */
  wall = 0;

  constructor(address: string) {
    this.address = address;
  }
}

/** Killed in the middle of something. */
export class Killed extends Error {
  constructor() {
    super("this process was killed");
  }
}

/** One run of a process, from its start to its death: whatever of it is still under way afterwards reaches nothing. */
export class Run {
  alive = true;
  readonly process: Process;
  readonly number: number;
  readonly world: World;
  /** Answers what comes over the network; null before it listens. */
  fetch: ((request: Request, env: RequestEnv) => Promise<Response> | Response) | null = null;
  /** Hears of the end. */
  readonly ended = new Set<() => void>();
  readonly #stage: Stage;

  constructor(process: Process, number: number, stage: Stage) {
    this.process = process;
    this.number = number;
    this.#stage = stage;
    const { clock, journal, network } = stage;
    const dice = stage.dice.fork(`${process.name} ${number}`);
    const { machine } = process;
    this.world = {
      now: () => new Date(BEGIN + machine.wall + Math.floor(clock.now)),
      monotonic: () => clock.now,
      timer: (ms, work) => {
        if (!this.alive) return () => {};
        // No timer is exact, and two that are set to one time are not always in one order.
        const entry = clock.after(Math.max(0, ms) + dice.next() * 2, work, { run: this, process, own: true });
        return () => {
          entry.cancelled = true;
        };
      },
      random: () => dice.next(),
      uuid: () => dice.uuid(),
      fetch: (url, init) => network.fetch(this, url, init),
      resolve: (host) => Promise.reject(new Error(`no address is known for ${host}`)),
      host: async () => ({ name: process.name, addresses: [machine.address] }),
      log: (level, message, fields) => {
        if (this.alive && level !== "debug")
          journal.write(`${process.name} ${level}: ${message}${fields ? ` ${JSON.stringify(fields)}` : ""}`);
      },
    };
  }

  /** Resolves after so much time of this run; never when it ends before. */
  sleep(ms: number): Promise<void> {
    return new Promise((resume) => {
      this.world.timer(ms, resume);
    });
  }

  /** As `sleep`, but ends with the run, by throwing Killed. */
  sleepOrDie(ms: number): Promise<void> {
    if (!this.alive) return Promise.reject(new Killed());
    return new Promise((resume, fail) => {
      const ended = () => fail(new Killed());
      this.ended.add(ended);
      this.world.timer(ms, () => {
        this.ended.delete(ended);
        resume();
      });
    });
  }

  /** kill -9, or the end after a stop. */
  end(): void {
    if (!this.alive) return;
    this.alive = false;
    this.fetch = null;
    this.process.paused = false;
    this.process.waiting = [];
    if (this.process.run === this) this.process.run = null;
    for (const hear of this.ended) hear();
    this.ended.clear();
    this.#stage.journal.write(`${this.process.name} ended`);
  }
}

/** A program on a machine, which may be started, killed, and made to stand still. */
export class Process {
  readonly name: string;
  readonly machine: Machine;
  readonly port: number;
  run: Run | null = null;
  paused = false;
  /** What came, or was due, while it stood still. */
  waiting: Entry[] = [];
  runs = 0;
  readonly #stage: Stage;

  constructor(name: string, machine: Machine, port: number, stage: Stage) {
    this.name = name;
    this.machine = machine;
    this.port = port;
    this.#stage = stage;
    stage.network.processes.set(`${machine.address}:${port}`, this);
  }

  get endpoint(): string {
    return `http://${this.machine.address}:${this.port}`;
  }

  begin(): Run {
    if (this.run) throw new Error(`${this.name} runs already`);
    this.runs += 1;
    this.run = new Run(this, this.runs, this.#stage);
    this.#stage.journal.write(`${this.name} started`);
    return this.run;
  }

  /** SIGSTOP */
  pause(): void {
    if (!this.run || this.paused) return;
    this.paused = true;
    this.#stage.journal.write(`${this.name} stands still`);
  }

  /** SIGCONT: its timers run before what waits in its sockets is read, as they do on Bun. */
  resume(): void {
    if (!this.paused) return;
    this.paused = false;
    const { clock, journal } = this.#stage;
    journal.write(`${this.name} goes on`);
    const waiting = this.waiting;
    this.waiting = [];
    for (const one of [...waiting.filter(({ own }) => own), ...waiting.filter(({ own }) => !own)])
      if (!one.cancelled) clock.at(clock.now, one.work, one);
  }
}
