import { PostError } from "../../../client/post.ts";
import type { Database } from "../../../db/database.ts";
import { type AlarmRow, firingAlarms, resolvedSince } from "../../../db/queries/fleet/alarms.ts";
import {
  claimDeliveries,
  type DeliveryRow,
  deleteDeliveries,
  failDeliveries,
  nextDeliveries,
} from "../../../db/queries/fleet/deliveries.ts";
import type { World } from "../../../world.ts";
import { bodyOf, toAlarm } from "../alarms/rows.ts";
import { createWait } from "../wait.ts";
import type { AlarmEvent } from "./event.ts";
import type { Known, Target } from "./target.ts";

const LOOK_MS = 1_000;
/** A commit has it look so much later, once for all that there are until then: a busy fleet has a thousand a second. */
const PAUSE_MS = 50;
const FIRST_RETRY_MS = 1_000;
const LONGEST_RETRY_MS = 300_000;
const REPEAT_MS = 60_000;
/** Alarms in one request that repeats them. */
const REPEATED = 200;
/** One that was refused then is not said again for so long. */
const REFUSED_MS = 180_000;

/** What became of what a target was to be notified of, in this run. */
export interface Notified {
  delivered: number;
  dropped: number;
  /** Why the last attempt failed; null: it did not. */
  error: string | null;
}

/** Sends one target what is stored for it, in order, each until it is received. */
export interface Notifier {
  readonly target: Target;
  readonly notified: Notified;
  start(): void;
  wake(): void;
  stop(): Promise<void>;
}

export interface NotifierOptions {
  db: Database;
  world: World;
  target: Target;
  /** This conductor, whose claims are its own after a restart. */
  owner: string;
  /** Whether a conductor that holds a claim is no more. */
  isGone(owner: string): Promise<boolean>;
}

export function createNotifier({ db, world, target, owner, isGone }: NotifierOptions): Notifier {
  const notified: Notified = { delivered: 0, dropped: 0, error: null };
  const wait = createWait(world);
  let abort = new AbortController();
  let stopped = true;
  let running: Promise<void> | null = null;
  /** The revision at which nothing was stored for it. */
  let empty = -1;
  /** Until then a target that failed is let be. */
  let retryAt = 0;
  /** So many go one by one: one of them was refused. */
  let alone = 0;
  let repeatAt = 0;
  let repeated = 0;
  /** Alarms that were refused when they were said again, and until when each is left out. */
  const refused = new Map<string, number>();
  let complained = "";
  let cancelWake: (() => void) | null = null;

  function complain(message: string, error: string, about: Record<string, unknown> = {}) {
    notified.error = error;
    // Said once per cause, not once per attempt.
    if (error !== complained) world.log("warn", message, { target: target.shown, ...about, error });
    complained = error;
  }

  /** Does what there is to do; how long to wait until the next time. */
  async function step(): Promise<number> {
    // Whatever waits: what fires must not end there for want of being said again.
    if (target.repeat && world.monotonic() >= repeatAt) {
      repeatAt = world.monotonic() + REPEAT_MS;
      await repeat(target.repeat);
    }
    const rest = retryAt - world.monotonic();
    const ms = rest > 0 ? rest : await next();
    return target.repeat ? Math.min(ms, Math.max(0, repeatAt - world.monotonic())) : ms;
  }

  async function next(): Promise<number> {
    const revision = await db.revision();
    if (revision === empty) return LOOK_MS;
    const rows = await nextDeliveries(db.read, target.name, alone > 0 ? 1 : target.atOnce);
    if (rows.length === 0) {
      empty = revision;
      return LOOK_MS;
    }
    const own = await claim(rows);
    return own.length > 0 ? deliver(own) : LOOK_MS;
  }

  /** Takes what can be had of these, up to the first that another conductor has. */
  async function claim(rows: DeliveryRow[]): Promise<DeliveryRow[]> {
    if (rows.every(({ claimed_by }) => claimed_by === owner)) return rows;
    const others = new Set(rows.flatMap(({ claimed_by }) => (claimed_by === owner ? [] : (claimed_by ?? []))));
    const gone: string[] = [];
    for (const other of others) if (await isGone(other)) gone.push(other);
    const free = ({ claimed_by }: DeliveryRow) =>
      claimed_by === null || claimed_by === owner || gone.includes(claimed_by);
    const end = rows.findIndex((row) => !free(row));
    const ids = rows.slice(0, end === -1 ? rows.length : end).map(({ id }) => id);
    if (ids.length === 0) return [];
    const claimed = new Set(await db.write((tx) => claimDeliveries(tx, ids, { own: owner, gone })));
    const missed = rows.findIndex(({ id }) => !claimed.has(id));
    return rows.slice(0, missed === -1 ? rows.length : missed);
  }

  async function deliver(rows: DeliveryRow[]): Promise<number> {
    const ids = rows.map(({ id }) => id);
    try {
      const events = rows.map(({ event }) => JSON.parse(event) as AlarmEvent); // written by `commit`
      await target.notify(events, abort.signal);
      notified.delivered += rows.length;
      if (complained) world.log("info", "alarms are received again", { target: target.shown });
      complained = "";
      notified.error = null;
    } catch (error) {
      if (!(error instanceof PostError)) throw error;
      if (stopped) return 0;
      if (!error.final) return retry(rows, error);
      if (rows.length > 1) {
        alone = rows.length;
        return 0;
      }
      notified.dropped += 1;
      notified.error = error.message;
      world.log("error", "an alarm was refused, and is dropped", {
        target: target.shown,
        alarm: rows[0]?.alarm,
        error: error.message,
      });
    }
    alone = Math.max(0, alone - 1);
    await db.write((tx) => deleteDeliveries(tx, ids));
    return 0;
  }

  async function retry(rows: DeliveryRow[], error: PostError): Promise<number> {
    complain("an alarm was not received, and is sent again", error.message);
    const attempts = rows[0]?.attempts ?? 0;
    const ids = rows.map(({ id }) => id);
    await db.write((tx) => failDeliveries(tx, ids, attempts + 1, error.message.slice(0, 1024)));
    const longest = Math.min(LONGEST_RETRY_MS, FIRST_RETRY_MS * 2 ** Math.min(attempts, 20));
    const ms = longest * (0.5 + 0.5 * world.random());
    retryAt = world.monotonic() + ms;
    return ms;
  }

  /** What fires is sent again now and then, where the target forgets it otherwise. */
  async function repeat(send: NonNullable<Target["repeat"]>): Promise<void> {
    const since = repeated;
    for (const [alarm, until] of refused) if (world.monotonic() >= until) refused.delete(alarm);
    // How severe it was before is said once.
    const known = (row: AlarmRow): Known[] => {
      const { notified, former } = bodyOf(row);
      return notified === null ? [] : [{ alarm: toAlarm(row), former: row.revision > since ? former : null }];
    };
    try {
      const revision = await db.revision();
      for (let after = 0; ; ) {
        const rows = await firingAlarms(db.read, { after, limit: REPEATED });
        await sendAgain(send, rows.flatMap(known));
        const last = rows.at(-1);
        if (!last || rows.length < REPEATED) break;
        after = last.position;
      }
      // Another conductor may have said that they fire after this one said that they do not.
      await sendAgain(send, (await resolvedSince(db.read, since, REPEATED)).flatMap(known));
      repeated = revision;
    } catch (error) {
      if (!(error instanceof PostError)) throw error;
      if (!stopped) complain("what fires could not be sent again", error.message);
    }
  }

  /** In halves where so many are refused: one alarm, or too many in one request, must not end what all others say. */
  async function sendAgain(send: NonNullable<Target["repeat"]>, alarms: Known[]): Promise<void> {
    const some = alarms.filter(({ alarm }) => !refused.has(alarm.id));
    const [first] = some;
    if (!first) return;
    try {
      await send(some, abort.signal);
    } catch (error) {
      if (!(error instanceof PostError) || !error.final || stopped) throw error;
      if (some.length === 1) {
        refused.set(first.alarm.id, world.monotonic() + REFUSED_MS);
        complain("an alarm was refused, and is not said again for now", error.message, { alarm: first.alarm.id });
        return;
      }
      const half = Math.ceil(some.length / 2);
      await sendAgain(send, some.slice(0, half));
      await sendAgain(send, some.slice(half));
    }
  }

  async function run(): Promise<void> {
    // What was resolved long ago is no news after a restart.
    repeated = await db.revision().catch(() => Number.MAX_SAFE_INTEGER);
    while (!stopped) {
      const ms = await step().catch((error) => {
        complain("alarms could not be sent", String(error));
        return LOOK_MS;
      });
      if (!stopped && ms > 0) await wait.for(ms);
    }
  }

  return {
    target,
    notified,
    start() {
      stopped = false;
      abort = new AbortController();
      running = run();
    },
    wake() {
      // A target that failed is not asked the sooner for having more to be notified of.
      if (cancelWake !== null || world.monotonic() < retryAt) return;
      cancelWake = world.timer(PAUSE_MS, () => {
        cancelWake = null;
        if (world.monotonic() >= retryAt) wait.end();
      });
    },
    async stop() {
      stopped = true;
      abort.abort();
      cancelWake?.();
      cancelWake = null;
      wait.end();
      await running;
    },
  };
}
