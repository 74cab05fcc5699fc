import type { World } from "../../../world.ts";

/**
 * Who is asked in which way: over its link, by a call of its own (Bun makes 256 at once per process), or once more after it
 * failed, where those that hang keep only each other waiting.
 */
export type Lane = "link" | "call" | "again";

/** `held`: at most so many more that hold a place no longer, as they have taken long. */
const WIDTHS: Record<Lane, { most: number; held: number }> = {
  link: { most: 32, held: 1_000 },
  call: { most: 32, held: 128 },
  again: { most: 16, held: 0 },
};
const LEAST = 2;
const FIRST = 4;
/** A place is for an answer that comes soon: one that hangs must not cost the others its whole deadline. */
const SOON_MS = 500;
const LOOK_MS = 20;
/** How late a timer may be: who waits in the meantime are hellos and readers. */
const LATE_MS = 15;

export interface Places {
  /** Runs `work` when its turn has come, in the order of the calls. */
  hold<T>(lane: Lane, work: () => Promise<T>): Promise<T>;
}

/**
 * As many works at once as this process can bear. With more than a few, none is done sooner and all else waits: so the width
 * follows from how late timers are. `full`: what was asked for already cannot be stored as fast.
 */
export function createPlaces(world: Pick<World, "timer" | "monotonic">, full: () => boolean): Places {
  const lanes = Object.fromEntries(
    Object.keys(WIDTHS).map((lane) => [lane, { width: FIRST, running: 0, held: 0, waiting: [] as (() => void)[] }]),
  ) as Record<Lane, { width: number; running: number; held: number; waiting: (() => void)[] }>;
  let looking = false;

  function look() {
    if (looking) return;
    looking = true;
    const due = world.monotonic() + LOOK_MS;
    world.timer(LOOK_MS, () => {
      looking = false;
      const late = world.monotonic() - due > LATE_MS;
      for (const [lane, own] of Object.entries(lanes) as [Lane, (typeof lanes)[Lane]][]) {
        const { most } = WIDTHS[lane];
        // Grows where it is needed alone: what it has come to in quiet says nothing.
        if (late) own.width = Math.max(LEAST, Math.floor(own.width / 2));
        else if (own.waiting.length > 0) own.width = Math.min(most, own.width + 1);
        else own.width = Math.max(FIRST, own.width - 1);
        next(lane);
      }
      if (Object.values(lanes).some(({ waiting }) => waiting.length > 0)) look();
    });
  }

  function next(lane: Lane) {
    const own = lanes[lane];
    while (own.waiting.length > 0 && own.running < own.width && !full()) {
      own.running += 1;
      own.waiting.shift()?.();
    }
    if (own.waiting.length > 0) look();
  }

  return {
    async hold(lane, work) {
      const own = lanes[lane];
      await new Promise<void>((resume) => {
        own.waiting.push(resume);
        next(lane);
      });
      let held = false;
      const cancel = world.timer(SOON_MS, () => {
        if (own.held >= WIDTHS[lane].held) return;
        held = true;
        own.held += 1;
        own.running -= 1;
        next(lane);
      });
      try {
        return await work();
      } finally {
        cancel();
        if (held) own.held -= 1;
        else own.running -= 1;
        next(lane);
      }
    },
  };
}
