import type { Process, Run } from "./process.ts";

export interface Entry {
  at: number;
  order: number;
  work: () => void | Promise<void>;
  /** Comes to nothing when this run has ended. */
  run: Run | null;
  /** Waits while this process stands still. */
  process: Process | null;
  /** A timer of its own, as opposed to something that came from outside. */
  own: boolean;
  cancelled: boolean;
}

/** The platform's own: what is simulated has another one (determined.ts). */
const turn = setImmediate;

/**
 * Lets all run that waits for nothing but its turn. Everything in a simulation does so by microtasks, all of which are over
 * in one turn of the event loop: more of them change nothing.
 */
export async function settle(turns = 1): Promise<void> {
  for (let passed = 0; passed < turns; passed += 1) await new Promise<void>((resume) => void turn(resume));
}

/** Time that passes from one event to the next. What an event sets off is over before the next one. */
export class Clock {
  /** Milliseconds. */
  now = 0;
  events = 0;
  #order = 0;
  readonly #turns: number;
  readonly #real = new Set<Promise<unknown>>();
  readonly #heap: Entry[] = [];

  /** `turns`: of the event loop, which each event is given. */
  constructor(turns = 1) {
    this.#turns = turns;
  }

  at(time: number, work: Entry["work"], owner: Partial<Pick<Entry, "run" | "process" | "own">> = {}): Entry {
    this.#order += 1;
    const entry: Entry = {
      at: Math.max(time, this.now),
      order: this.#order,
      work,
      run: owner.run ?? null,
      process: owner.process ?? null,
      own: owner.own ?? false,
      cancelled: false,
    };
    this.#push(entry);
    return entry;
  }

  /** Lets no time pass until this is over: it does not wait for this clock, as the opening of a file. */
  real<T>(work: Promise<T>): Promise<T> {
    this.#real.add(work);
    const over = () => void this.#real.delete(work);
    work.then(over, over);
    return work;
  }

  after(ms: number, work: Entry["work"], owner?: Parameters<Clock["at"]>[2]): Entry {
    return this.at(this.now + ms, work, owner);
  }

  /** Runs what is due until `time`, or until `over` says so. */
  async runUntil(time: number, over: () => boolean): Promise<void> {
    for (;;) {
      const next = this.#heap[0];
      if (!next || next.at > time || over()) break;
      this.#pop();
      if (next.cancelled || (next.run && !next.run.alive)) continue;
      this.now = next.at;
      const { process } = next;
      if (process?.paused) {
        process.waiting.push(next);
        continue;
      }
      this.events += 1;
      const done = next.work();
      if (done) await done;
      await settle(this.#turns);
      while (this.#real.size > 0) await Promise.allSettled(this.#real).then(() => settle(this.#turns));
    }
    if (!over()) this.now = Math.max(this.now, time);
  }

  #before(a: Entry, b: Entry): boolean {
    return a.at < b.at || (a.at === b.at && a.order < b.order);
  }

  #push(entry: Entry): void {
    const heap = this.#heap;
    let at = heap.length;
    heap.push(entry);
    while (at > 0) {
      const parent = (at - 1) >> 1;
      const above = heap[parent] as Entry;
      if (!this.#before(entry, above)) break;
      heap[at] = above;
      at = parent;
    }
    heap[at] = entry;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop() as Entry;
    if (heap.length === 0) return;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && this.#before(heap[child + 1] as Entry, heap[child] as Entry)) child += 1;
      if (!this.#before(heap[child] as Entry, last)) break;
      heap[at] = heap[child] as Entry;
      at = child;
    }
    heap[at] = last;
  }
}
