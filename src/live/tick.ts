import type { World } from "../world.ts";

/** While something waits to be confirmed. */
const SOON_MS = 2_000;

export interface TickOptions {
  world: World;
  /** From one look to the next, give or take a tenth, so that a fleet does not look all at once. */
  everyMs: number;
  /** Whether something waits to be confirmed by another look. */
  soon(): boolean;
  look(): Promise<void>;
}

export interface Tick {
  start(): void;
  /** There was another look: what it saw may want to be confirmed. */
  looked(): void;
  stop(): void;
}

/** Looks again and again, for what no event tells of. */
export function createTick({ world, everyMs, soon, look }: TickOptions): Tick {
  let cancel = () => {};
  let due = Number.POSITIVE_INFINITY;
  let running = false;

  function plan(ms: number): void {
    cancel();
    due = world.monotonic() + ms;
    cancel = world.timer(ms, () => void run());
  }

  async function run(): Promise<void> {
    running = true;
    try {
      await look();
    } finally {
      running = false;
      if (due < Number.POSITIVE_INFINITY) next();
    }
  }

  function next(): void {
    const ms = everyMs * (0.9 + 0.2 * world.random());
    plan(soon() ? Math.min(SOON_MS, ms) : ms);
  }

  return {
    start: next,
    looked() {
      const waits = !running && due < Number.POSITIVE_INFINITY;
      if (waits && due - world.monotonic() > SOON_MS && soon()) plan(SOON_MS);
    },
    stop() {
      due = Number.POSITIVE_INFINITY;
      cancel();
    },
  };
}
