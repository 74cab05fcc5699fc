import type { Database } from "../../../db/database.ts";
import {
  dropDeliveries,
  newestDelivery,
  releaseDeliveries,
  waitingDeliveries,
} from "../../../db/queries/fleet/deliveries.ts";
import type { World } from "../../../world.ts";
import { createNotifier, type NotifierOptions } from "./notifier.ts";
import type { Target } from "./target.ts";

/** What nobody took for a day is sent to nobody any more. */
const KEPT_HOURS = 24;
const HOUR_MS = 3_600_000;

/** Notifies targets of alarms, from what is stored for them. */
export interface Delivery {
  /** Each target: how much waits for it, and what became of the rest in this run. */
  targets(): Promise<{ target: string; waiting: number; delivered: number; dropped: number; error: string | null }[]>;
  start(): void;
  stop(): Promise<void>;
}

export function createDelivery(options: Omit<NotifierOptions, "target"> & { targets: readonly Target[] }): Delivery {
  const { db, world, owner } = options;
  const notifiers = options.targets.map((target) => createNotifier({ ...options, target }));
  let cancelHour = () => {};
  let unwatch = () => {};
  /** The newest delivery at each of the last hours, by the clock that never jumps. After a restart the day begins anew. */
  let marks: number[] = [];

  async function hour() {
    cancelHour = world.timer(HOUR_MS, () => void hour());
    try {
      await prune(db, world);
    } catch (error) {
      world.log("error", "alarms that nobody took could not be dropped", { error: String(error) });
    }
  }

  async function prune({ read, write }: Database, { log }: World) {
    marks = [...marks, await newestDelivery(read)];
    if (marks.length <= KEPT_HOURS) return;
    const [oldest = 0, ...rest] = marks;
    marks = rest;
    if (oldest === 0) return;
    for (const [target, count] of await write((tx) => dropDeliveries(tx, oldest))) {
      const notifier = notifiers.find(({ target: { name } }) => name === target);
      if (notifier) notifier.notified.dropped += count;
      log("error", "nobody took these alarms for a day, and they are dropped", {
        ...{ target: notifier?.target.shown ?? "one that is notified no more", count },
      });
    }
  }

  return {
    async targets() {
      const names = notifiers.map(({ target }) => target.name);
      const waiting = names.length > 0 ? await waitingDeliveries(db.read, names) : [];
      return notifiers.map(({ target, notified }) => ({
        target: target.shown,
        waiting: waiting.find((one) => one.target === target.name)?.count ?? 0,
        ...notified,
      }));
    },
    start() {
      void hour();
      unwatch = db.watch(() => {
        for (const notifier of notifiers) notifier.wake();
      });
      for (const notifier of notifiers) notifier.start();
    },
    async stop() {
      cancelHour();
      unwatch();
      await Promise.all(notifiers.map((notifier) => notifier.stop()));
      if (notifiers.length === 0) return;
      // Another conductor need not wait until this one is known to be gone.
      await db
        .write((tx) => releaseDeliveries(tx, owner))
        .catch((error) => world.log("warn", "alarms to be sent stay claimed", { error: String(error) }));
    },
  };
}
