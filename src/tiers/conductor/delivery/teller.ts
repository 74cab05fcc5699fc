import { PostError } from "../../../client/post.ts";
import type { Database } from "../../../db/database.ts";
import { firingAlarms, resolvedSince } from "../../../db/queries/fleet/alarms.ts";
import {
  claimDelivery,
  type DeliveryRow,
  deleteDelivery,
  failDelivery,
  nextDelivery,
} from "../../../db/queries/fleet/deliveries.ts";
import type { World } from "../../../world.ts";
import { bodyOf, toAlarm } from "../alarms/rows.ts";
import type { AlarmEvent } from "./event.ts";
import type { Target } from "./target.ts";

const LOOK_MS = 1_000;
const FIRST_RETRY_MS = 1_000;
const LONGEST_RETRY_MS = 300_000;
const REPEAT_MS = 60_000;
/** Alarms in one request that repeats them. */
const REPEATED = 200;

/** What became of what a target was to be told, in this run. */
export interface Told {
  delivered: number;
  dropped: number;
  /** Why the last attempt failed; null: it did not. */
  error: string | null;
}

/** Tells one target what is stored for it, one after the other, each until it is received. */
export interface Teller {
  readonly target: Target;
  readonly told: Told;
  start(): void;
  wake(): void;
  stop(): Promise<void>;
}

export interface TellerOptions {
  db: Database;
  world: World;
  target: Target;
  /** This conductor, whose claims are its own after a restart. */
  owner: string;
  /** Whether a conductor that holds a claim is no more. */
  isGone(owner: string): Promise<boolean>;
}

export function createTeller({ db, world, target, owner, isGone }: TellerOptions): Teller {
  const told: Told = { delivered: 0, dropped: 0, error: null };
  let abort = new AbortController();
  let stopped = true;
  let running: Promise<void> | null = null;
  let hurry = () => {};
  let idle = false;
  /** The revision at which nothing was stored for it. */
  let empty = -1;
  let repeatAt = 0;
  let repeated = 0;
  let complained = "";

  const wait = (ms: number) =>
    new Promise<void>((resume) => {
      const cancel = world.timer(ms, resume);
      hurry = () => {
        cancel();
        resume();
      };
    });

  function complain(message: string, error: string) {
    told.error = error;
    // Said once per cause, not once per attempt.
    if (error !== complained) world.log("warn", message, { target: target.shown, error });
    complained = error;
  }

  /** Does what there is to do; how long to wait until the next time. */
  async function step(): Promise<number> {
    const revision = await db.revision();
    if (revision === empty) return repeat(revision);
    const row = await nextDelivery(db.read, target.name);
    if (row === null) {
      empty = revision;
      return repeat(revision);
    }
    return (await claim(row)) ? deliver(row) : LOOK_MS;
  }

  async function claim({ id, claimed_by }: DeliveryRow): Promise<boolean> {
    if (claimed_by === owner) return true;
    const gone = claimed_by !== null && (await isGone(claimed_by)) ? claimed_by : null;
    if (claimed_by !== null && gone === null) return false;
    return db.write((tx) => claimDelivery(tx, id, owner, gone));
  }

  async function deliver(row: DeliveryRow): Promise<number> {
    try {
      await target.tell(JSON.parse(row.event) as AlarmEvent, abort.signal); // written by `commit`
      told.delivered += 1;
      if (complained) world.log("info", "alarms are received again", { target: target.shown });
      complained = "";
      told.error = null;
    } catch (error) {
      if (!(error instanceof PostError)) throw error;
      if (stopped) return 0;
      if (!error.final) return retry(row, error);
      told.dropped += 1;
      told.error = error.message;
      world.log("error", "an alarm was refused, and is dropped", {
        target: target.shown,
        alarm: row.alarm,
        error: error.message,
      });
    }
    await db.write((tx) => deleteDelivery(tx, row.id));
    return 0;
  }

  async function retry({ id, attempts }: DeliveryRow, error: PostError): Promise<number> {
    complain("an alarm was not received, and is sent again", error.message);
    await db.write((tx) => failDelivery(tx, id, attempts + 1, error.message.slice(0, 1024)));
    const longest = Math.min(LONGEST_RETRY_MS, FIRST_RETRY_MS * 2 ** Math.min(attempts, 20));
    return longest * (0.5 + 0.5 * world.random());
  }

  /** Nothing new is to be told: what fires is told again now and then, where the target forgets it otherwise. */
  async function repeat(revision: number): Promise<number> {
    const now = world.monotonic();
    if (!target.repeat || now < repeatAt) return LOOK_MS;
    repeatAt = now + REPEAT_MS;
    try {
      for (let after = 0; ; ) {
        const rows = await firingAlarms(db.read, { after, limit: REPEATED });
        const alarms = rows.filter((row) => bodyOf(row).told).map(toAlarm);
        if (alarms.length > 0) await target.repeat(alarms, abort.signal);
        const last = rows.at(-1);
        if (!last || rows.length < REPEATED) break;
        after = last.position;
      }
      // Another conductor may have said that they fire after this one said that they do not.
      const over = (await resolvedSince(db.read, repeated, REPEATED)).filter((row) => bodyOf(row).told).map(toAlarm);
      if (over.length > 0) await target.repeat(over, abort.signal);
      repeated = revision;
    } catch (error) {
      if (!(error instanceof PostError)) throw error;
      if (!stopped) complain("what fires could not be told again", error.message);
    }
    return LOOK_MS;
  }

  async function run(): Promise<void> {
    // What was resolved long ago is no news after a restart.
    repeated = await db.revision().catch(() => Number.MAX_SAFE_INTEGER);
    while (!stopped) {
      const ms = await step().catch((error) => {
        complain("alarms could not be told", String(error));
        return LOOK_MS;
      });
      idle = ms === LOOK_MS;
      if (!stopped && ms > 0) await wait(ms);
      idle = false;
    }
  }

  return {
    target,
    told,
    start() {
      stopped = false;
      abort = new AbortController();
      running = run();
    },
    // A target that failed is not asked the sooner for having more to be told.
    wake: () => {
      if (idle) hurry();
    },
    async stop() {
      stopped = true;
      abort.abort();
      hurry();
      await running;
    },
  };
}
