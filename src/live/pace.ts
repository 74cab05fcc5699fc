import type { World } from "../world.ts";

/** What to look at: addresses, or everything. */
export type What = ReadonlySet<string> | "all";

/** A change is seldom one event: a card has functions, and a driver is bound right after. */
const GATHER_MS = 5;
/** From the start of one look to the start of the next... */
const GAP_MS = 100;
/** ...and after so many without a pause between, in a storm, up to this. */
const STORM = 8;
const LONGEST_GAP_MS = 1_000;
/** A function is told of before its memory is assigned and its last attribute is there; nothing is told after that. */
const SECOND_LOOK_MS = 1_000;

export interface Pace {
  /** Something happened: a look will follow, and another one a second later, at what happened until then. */
  touch(what: What): void;
  stop(): void;
}

const both = (a: What | null, b: What): What => (a === "all" || b === "all" ? "all" : a ? a.union(b) : b);

/**
 * Looks at what is touched at a bounded rate, however often it is touched; the last look begins after the last touch.
 * `look` rejects for what is a mistake of ours only.
 */
export function createPace(world: World, look: (what: What) => Promise<void>): Pace {
  let pending: What | null = null;
  let settling: What | null = null;
  let cancel = () => {};
  let cancelSecond = () => {};
  let busy = false;
  let stopped = false;
  let began = Number.NEGATIVE_INFINITY;
  let streak = 0;

  function schedule(what: What): void {
    pending = both(pending, what);
    if (busy || stopped) return;
    busy = true;
    const gap = Math.min(LONGEST_GAP_MS, GAP_MS * 2 ** Math.max(0, streak - STORM));
    const wait = began + gap - world.monotonic();
    streak = wait > 0 ? streak + 1 : 0;
    cancel = world.timer(Math.max(GATHER_MS, wait), () => void run());
  }

  async function run(): Promise<void> {
    const what = pending;
    pending = null;
    began = world.monotonic();
    try {
      if (what !== null) await look(what);
    } finally {
      busy = false;
      if (pending !== null) schedule(pending);
    }
  }

  return {
    touch(what) {
      if (stopped) return;
      schedule(what);
      settling = both(settling, what);
      cancelSecond();
      cancelSecond = world.timer(SECOND_LOOK_MS, () => {
        if (settling !== null) schedule(settling);
        settling = null;
      });
    },
    stop() {
      stopped = true;
      cancel();
      cancelSecond();
    },
  };
}
