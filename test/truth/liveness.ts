/** All times: milliseconds on one clock that never jumps. */
export interface LivenessOptions {
  /** What a conductor may take to write a LOST that it has decided on. */
  decisionMs: number;
  /** How much later than two leases a LOST may be written. */
  slackMs: number;
}

interface Heard {
  sent: number;
  answered: number;
  ttlMs: number;
}

interface Silence {
  /** Since when nothing of the node can have reached a conductor. */
  since: number;
  ttlMs: number;
}

/** Nobody is LOST who was answered in time, and whoever is silent is LOST within its bound. */
export class Liveness {
  readonly violations: string[] = [];
  readonly #heard = new Map<string, Heard>();
  readonly #silent = new Map<string, Silence>();
  readonly #states = new Map<string, string>();
  readonly #told = new Set<string>();
  #conductor = 0;
  readonly #options: LivenessOptions;

  constructor(options: LivenessOptions) {
    this.#options = options;
  }

  /** A hello (READY) of the node was answered well, with this lease. */
  heard(node: string, hello: Heard): void {
    const before = this.#heard.get(node);
    if (!before || hello.sent >= before.sent) this.#heard.set(node, hello);
  }

  /** Its link has ended: from here on it has the lease of a node without one. */
  unlinked(node: string, { at, ttlMs }: { at: number; ttlMs: number }): void {
    // Whoever is LOST already is owed nothing more.
    if (this.#heard.has(node) && this.#states.get(node) !== "LOST")
      this.#heard.set(node, { sent: at, answered: at, ttlMs });
  }

  /** Who answered its last hello may have died before it wrote that down. */
  doubt(node: string): void {
    this.#heard.delete(node);
  }

  /** It has said LEAVING: it is owed nothing any more. */
  left(node: string): void {
    this.#heard.delete(node);
    this.#silent.delete(node);
  }

  /** From here on nothing of the node can reach a conductor, whose lease for it is `ttlMs`. */
  silent(node: string, silence: Silence): void {
    this.#silent.set(node, silence);
    this.#told.delete(node);
  }

  /** Something of the node may have reached a conductor, or may from now on. */
  sounds(node: string): void {
    this.#silent.delete(node);
    this.#told.delete(node);
  }

  /** A conductor started, ended, stood still or went on: everyone may have a fresh lease from here. */
  conductor(at: number): void {
    this.#conductor = Math.max(this.#conductor, at);
  }

  /** The node was shown in another state after `after` and in this one by `by`. */
  state(node: string, { state, after, by, revision }: { state: string; after: number; by: number; revision: number }) {
    this.#states.set(node, state);
    if (state !== "LOST") return;
    const hello = this.#heard.get(node);
    if (!hello || hello.answered > after - this.#options.decisionMs) return;
    const holds = hello.sent + 2 * hello.ttlMs;
    if (by > holds) return;
    this.violations.push(
      `node ${node} became LOST at revision ${revision}, by ${ms(by)}, although its hello of ${ms(hello.sent)} was answered at ${ms(hello.answered)} and holds until ${ms(holds)}`,
    );
  }

  /** Looks for nodes that should have been LOST by now. */
  look(now: number): void {
    for (const [node, { since, ttlMs }] of this.#silent) {
      const state = this.#states.get(node);
      if (state !== "LIVE" && state !== "LATE") continue;
      const due = Math.max(since, this.#conductor) + 2 * ttlMs + this.#options.slackMs;
      if (now <= due || this.#told.has(node)) continue;
      this.#told.add(node);
      this.violations.push(
        `node ${node} is ${state} at ${ms(now)}, although nothing of it can have been heard since ${ms(since)}: it should have been LOST by ${ms(due)}`,
      );
    }
  }
}

const ms = (time: number) => `${(time / 1000).toFixed(3)} s`;
