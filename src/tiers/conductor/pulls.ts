import { PeerError } from "../../client/peer.ts";
import { pullReport } from "../../client/wrangle.ts";
import { generationOf } from "../../contract/generation.ts";
import type { Report } from "../../contract/peer.ts";
import { getNode } from "../../db/nodes.ts";
import { createLimiter } from "../limiter.ts";
import { type Fleet, isSeed, nodeRef, stateOf, type Tracked } from "./fleet.ts";
import { AGENT_SOURCE } from "./reconcile.ts";
import { writeFailure, writeReport } from "./write.ts";

/** Bun's fetch runs 256 at once per process: hung agents must leave places for the others. */
const PULLS_AT_ONCE = 16;
const LONGEST_BACKOFF_MS = 60_000;

/** Asking agents for their hardware. */
export interface Pulls {
  /** Asks one agent, once at a time; what was asked for meanwhile follows. Its fault is recorded, not thrown. */
  pull(tracked: Tracked): Promise<void>;
  /** As `pull`, beginning after any pull under way; throws the PeerError that it records. */
  pullNow(tracked: Tracked): Promise<void>;
}

export function createPulls(fleet: Fleet, renew: (tracked: Tracked) => Promise<void>): Pulls {
  const { db, world, limits } = fleet;
  const limited = createLimiter(PULLS_AT_ONCE);
  const now = () => world.now().toISOString();

  async function take(tracked: Tracked, report: Report) {
    // A seed peer has no generation: a digest of what it said tells an answer that changed nothing.
    const generation =
      report.generation ?? (await generationOf({ hardware: report.items.map(({ raw }) => raw), sources: [] }));
    if (isSeed(tracked) && tracked.etag === generation) return;
    const context = {
      node: nodeRef(tracked),
      state: stateOf(tracked),
      from: tracked.row.generation,
      endpoint: tracked.row.endpoint ?? "",
      now: now(),
    };
    if (!(await writeReport(db, { ...report, generation }, context))) {
      // Another conductor took one in: begin again from what it wrote.
      tracked.row.generation = (await getNode(db.read, tracked.row.id))?.generation ?? null;
      tracked.etag = null;
      tracked.again = true;
      return;
    }
    tracked.row.generation = generation;
    tracked.etag = report.refused.length > 0 ? null : generation;
  }

  async function attempt(tracked: Tracked) {
    try {
      const report = await limited(() => pullReport(tracked.peer, limits, isSeed(tracked) ? null : tracked.etag));
      // An answer that was under way when the agent said LEAVING is of before: it makes nothing alive.
      if (stateOf(tracked) === "LEFT") return;
      // Only a seed peer's answers renew it; any other has hello for that.
      if (isSeed(tracked)) await renew(tracked);
      if (report) await take(tracked, report);
      tracked.failures = 0;
    } catch (error) {
      if (!(error instanceof PeerError)) throw error;
      tracked.failures += 1;
      tracked.etag = null;
      if (tracked.failures === 1)
        world.log("warn", "an agent did not answer", { node: tracked.row.name, error: error.message });
      const status = tracked.row.generation === null ? "NEVER" : "STALE";
      const source = {
        name: AGENT_SOURCE,
        type: null,
        endpoint: tracked.row.endpoint,
        status,
        observed_at: null,
        count: 0,
        error: { code: error.code, message: error.message },
      } as const;
      await writeFailure(db, source, { node: nodeRef(tracked), state: stateOf(tracked), now: now() });
      throw error;
    }
  }

  function pull(tracked: Tracked): Promise<void> {
    if (tracked.pulling) {
      tracked.again = true;
      return tracked.pulling;
    }
    tracked.cancel();
    tracked.again = false;
    tracked.pulling = attempt(tracked)
      .catch((error) => {
        if (error instanceof PeerError) return;
        tracked.failures += 1;
        world.log("error", "a report could not be taken in", { node: tracked.row.name, error: String(error) });
      })
      .finally(() => {
        tracked.pulling = null;
        if (tracked.again && !fleet.stopped) void pull(tracked);
        else watch(tracked);
      });
    return tracked.pulling;
  }

  /** When to ask next without being told to: a seed peer by the clock, any other after a fault, with back-off. */
  function watch(tracked: Tracked) {
    tracked.cancel();
    if (fleet.stopped || stateOf(tracked) === "LEFT") return;
    if (!isSeed(tracked) && tracked.failures === 0) return;
    const third = fleet.ttlMs() / 3;
    const ms = Math.min(LONGEST_BACKOFF_MS, third * 2 ** Math.max(0, Math.min(tracked.failures - 1, 10)));
    tracked.cancel = world.timer(ms * (0.75 + 0.25 * world.random()), () => void pull(tracked));
  }

  return {
    pull,
    async pullNow(tracked) {
      // One that was under way may have begun too early.
      await tracked.pulling;
      try {
        await attempt(tracked);
      } finally {
        watch(tracked);
      }
    },
  };
}
