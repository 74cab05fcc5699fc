import type { Condition } from "../../../contract/condition.ts";
import type { World } from "../../../world.ts";
import type { Tracked } from "../fleet.ts";

/** From here on a node's clock is shown to differ, and below that not any more. */
const SKEWED_MS = 5_000;
const IN_SYNC_MS = 2_000;
const TYPE = "ClockInSync";

/** Whether nodes' clocks agree with this conductor's, by what their hellos say. */
export interface Clocks {
  /**
   * The condition of a node after a hello; null: nothing is known against its clock. It is what is stored until it flips, so
   * that nothing is written meanwhile. One hello alone does not tell: it may have waited for long, on either side.
   */
  judge(tracked: Tracked, sentAt: string | undefined): Condition | null;
}

export function createClocks(world: Pick<World, "now">): Clocks {
  /** Those whose last hello told of another time. */
  const suspected = new WeakSet<Tracked>();
  return {
    judge(tracked, sentAt) {
      const shown = shownClock(tracked);
      if (sentAt === undefined) return shown;
      const skew = Date.parse(sentAt) - world.now().getTime();
      const again = suspected.has(tracked);
      if (Math.abs(skew) > SKEWED_MS) suspected.add(tracked);
      else suspected.delete(tracked);
      if (Math.abs(skew) < IN_SYNC_MS) return null;
      return shown ?? (again && suspected.has(tracked) ? skewed(skew, world.now().toISOString()) : null);
    },
  };
}

/** What is said of a node's clock as far as this conductor knows, by whichever one owns it. */
export function shownClock({ row }: Tracked): Condition | null {
  const conditions = JSON.parse(row.conditions ?? "[]") as Condition[]; // written from them
  return conditions.find(({ type }) => type === TYPE) ?? null;
}

const skewed = (skew: number, since: string): Condition => ({
  type: TYPE,
  status: "false",
  reason: skew > 0 ? "Ahead" : "Behind",
  message: `its clock is ${(Math.abs(skew) / 1000).toFixed(1)} s ${skew > 0 ? "ahead of" : "behind"} its conductor's`,
  action: "let a time service (chrony, systemd-timesyncd) keep the clocks of both",
  since,
});
