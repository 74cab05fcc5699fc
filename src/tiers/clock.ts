import type { Hello } from "../contract/hello.ts";
import type { World } from "../world.ts";

/** Told so often that a clock which drifts is noticed, and so seldom that a heartbeat is the same bytes each time. */
const TOLD_MS = 300_000;
/** A clock that has moved by so much against the one that never jumps was set. */
const JUMP_MS = 1_000;
/** One alone may have been long under way. */
const IN_A_ROW = 2;

/** When a hello says what its sender's clock shows: at first, after the clock was set, and now and then. */
export interface Clock {
  /** For the hello that is sent now. */
  tell(): Pick<Hello, "sent_at">;
  /** The hello told of last was answered: one that is lost has told nobody. */
  answered(): void;
}

export function createClock({ now, monotonic }: Pick<World, "now" | "monotonic">): Clock {
  let left = IN_A_ROW;
  let told: number | null = null;
  let offset = 0;
  let telling = false;
  return {
    tell() {
      const [wall, ticks] = [now().getTime(), monotonic()];
      const moved = Math.abs(wall - ticks - offset) > JUMP_MS;
      if (told !== null && (moved || ticks - told >= TOLD_MS)) left = IN_A_ROW;
      telling = left > 0;
      if (!telling) return {};
      told = ticks;
      offset = wall - ticks;
      return { sent_at: new Date(wall).toISOString() };
    },
    answered() {
      if (telling) left -= 1;
      telling = false;
    },
  };
}
