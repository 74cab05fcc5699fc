import type { Database } from "../../../db/database.ts";
import { deleteWindow, listWindows } from "../../../db/queries/fleet/windows.ts";
import { countOf, forget, type Kept, oldestOf } from "../../../db/queries/retention.ts";
import { sleep, type World } from "../../../world.ts";

/** Null: without end. */
export interface Keep {
  seconds: number | null;
  count: number | null;
}

const DAY = 86_400;

/** A month of a fleet's history, and of what its people did a quarter. */
export const KEEP: Record<Kept, Keep> = {
  changes: { seconds: 30 * DAY, count: 1_000_000 },
  operations: { seconds: 30 * DAY, count: 1_000 },
  alarms: { seconds: 90 * DAY, count: 100_000 },
  audit: { seconds: 90 * DAY, count: 100_000 },
};

const FIRST_MS = 10_000;
const EACH_MS = 60_000;
/** What one transaction forgets: a writer waits for no more than that. */
const AT_ONCE = 500;
const PAUSE_MS = 10;
/** A clock that begins, or was set, is believed after so long: until then whoever keeps it right may set it once more. */
const STEADY_MS = 3_600_000;
/** More than any clock is slewed between two looks. */
const JUMP_MS = 5_000;

export interface Retention {
  start(): void;
  /** Forgets what is due now. */
  run(): Promise<void>;
  stop(): Promise<void>;
}

/** Forgets the oldest of what is kept no longer. Several conductors of one database may do so at the same time. */
export function createRetention(
  db: Database,
  world: Pick<World, "now" | "monotonic" | "timer" | "log">,
  keep: Partial<Record<Kept, Keep>> = {},
): Retention {
  let cancel = () => {};
  let stopped = false;
  let running: Promise<void> = Promise.resolve();

  let offset: number | null = null;
  let steadySince = world.monotonic();

  /** Whether the clock tells how old something is: one that is wrong by a month would have all of it forgotten. */
  function isSteady(): boolean {
    const ticks = world.monotonic();
    const before = offset;
    offset = world.now().getTime() - ticks;
    if (before !== null && Math.abs(offset - before) > JUMP_MS) steadySince = ticks;
    return ticks - steadySince >= STEADY_MS;
  }

  /** Forgets a few; false: there are no more. */
  async function few(kind: Kept, { seconds, count }: Keep): Promise<boolean> {
    const excess = async () => (count === null ? 0 : (await countOf(db.read, kind)) - count);
    const before = seconds === null ? "" : new Date(world.now().getTime() - seconds * 1000).toISOString();
    // Mostly there is nothing to forget, which the first one shows.
    const [head] = (await excess()) > 0 ? [] : await oldestOf(db.read, kind, 1);
    if (head && head.time >= before) return false;
    const oldest = await oldestOf(db.read, kind, AT_ONCE);
    // Counted after they were read: what another conductor forgets meanwhile must not be made up for with what is kept.
    const tooMany = await excess();
    // In their order, and not beyond the first that is kept: the feed has no gaps.
    const first = oldest[0]?.key;
    const due = oldest.findIndex(({ key, time }, index) => {
      const place = kind === "changes" ? Number(key) - Number(first) : index;
      return place >= tooMany && time >= before;
    });
    const end = due === -1 ? oldest.length : due;
    const last = oldest[end - 1];
    if (!last) return false;
    await db.write((tx) => forget(tx, kind, last.key));
    return end === AT_ONCE;
  }

  async function run() {
    const byAge = isSteady();
    for (const kind of Object.keys(KEEP) as Kept[]) {
      const { seconds, count } = keep[kind] ?? KEEP[kind];
      while (!stopped && (await few(kind, { seconds: byAge ? seconds : null, count }))) {
        await sleep(world, PAUSE_MS);
      }
    }
    const { seconds } = keep.alarms ?? KEEP.alarms;
    if (byAge && seconds !== null && !stopped) await forgetWindows(seconds);
  }

  /** Windows that ended as long ago as alarms are kept that they could have silenced. */
  async function forgetWindows(seconds: number) {
    const before = world.now().getTime() - seconds * 1000;
    const ended = (await listWindows(db.read)).filter(({ ends_at }) => Date.parse(ends_at) < before);
    if (ended.length === 0) return;
    await db.write(async (tx) => {
      for (const { id } of ended.slice(0, AT_ONCE)) await deleteWindow(tx, id);
    });
  }

  function next(ms: number) {
    cancel = world.timer(ms, () => {
      running = run()
        .catch((error) => world.log("error", "what is kept no longer could not be forgotten", { error: String(error) }))
        .finally(() => {
          if (!stopped) next(EACH_MS);
        });
    });
  }

  return {
    start: () => next(FIRST_MS),
    run,
    async stop() {
      stopped = true;
      cancel();
      await running;
    },
  };
}
