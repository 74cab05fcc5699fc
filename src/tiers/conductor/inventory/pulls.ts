import { PeerError } from "../../../client/peer.ts";
import { pullReport } from "../../../client/wrangle.ts";
import type { Report } from "../../../contract/peer.ts";
import { getNode } from "../../../db/queries/nodes.ts";
import { AGENT_SOURCE } from "../../../db/queries/sources.ts";
import { generationOf } from "../../generation.ts";
import { measured } from "../../operations/measured.ts";
import { type Fleet, isCurrent, isOwn, isSeed, nodeRef, stateOf, type Tracked } from "../fleet.ts";
import type { Roster } from "../members/roster.ts";
import { createIntake } from "./intake.ts";
import { createPlaces } from "./places.ts";
import { writeFailure } from "./write.ts";

/** Reports that wait to be written while more are asked for: a few transactions' worth. */
const WAITING = 128;
const LONGEST_BACKOFF_MS = 60_000;
/**
 * One agent's devices may change at such a pace for long: all that changed is kept in a log that others follow, and writers
 * take turns. Two milliseconds for a KiB are four for a common card.
 */
const REST_MS_PER_KIB = 2;
/** Less is what any machine may have. */
const REST_FROM_KIB = 200;

/** Asking agents for their hardware. */
export interface Pulls {
  /** Asks one agent, once at a time; what was asked for meanwhile follows. Its fault is recorded, not thrown. */
  pull(tracked: Tracked): Promise<void>;
  /** Records that an agent did not answer: its last-good devices are shown as old, and why. */
  failed(tracked: Tracked, error: PeerError): Promise<void>;
  /** As `pull`, beginning after any pull under way; throws the PeerError that it records. */
  pullNow(tracked: Tracked): Promise<void>;
}

export function createPulls(fleet: Fleet, { renew, refresh }: Pick<Roster, "renew" | "refresh">): Pulls {
  const { db, world, limits } = fleet;
  const intake = createIntake(db, world);
  const places = createPlaces(world, () => intake.waiting > WAITING);
  const now = () => world.now().toISOString();

  /** What a node answers that an operator has had forgotten meanwhile brings it not back: only a hello does. */
  const isForgotten = (tracked: Tracked) => fleet.members.get(tracked.row.id) !== tracked || !tracked.stored;

  async function take(tracked: Tracked, report: Report) {
    // A seed peer has no generation: a digest of what it said tells an answer that changed nothing.
    const generation =
      report.generation ?? (await generationOf({ hardware: report.items.map(({ raw }) => raw), sources: [] }));
    if (isSeed(tracked) && tracked.etag === generation) return;
    const written = await intake.take({
      report: { ...report, generation },
      node: nodeRef(tracked),
      from: tracked.row.generation,
      endpoint: tracked.row.endpoint ?? "",
      now: now(),
    });
    if (!written) {
      // Another conductor took one in: begin again from what it wrote.
      const stored = await getNode(db.read, tracked.row.id);
      tracked.row.generation = stored?.generation ?? null;
      tracked.etag = null;
      // Without a row asking again would never end: the next hello writes it.
      tracked.stored = stored !== null;
      tracked.again = tracked.stored;
      return;
    }
    tracked.row.generation = generation;
    const kib = written.size / 1024;
    if (kib > REST_FROM_KIB) tracked.restsUntil = world.monotonic() + kib * REST_MS_PER_KIB;
    // It may have left, or been given up, meanwhile: its devices are shown as old.
    const holds = written.taken && report.refused.length === 0 && isCurrent(stateOf(tracked));
    tracked.etag = holds ? generation : null;
  }

  async function failed(tracked: Tracked, error: PeerError) {
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
    const context = { node: tracked.row.id, state: stateOf(tracked), now: now(), owner: fleet.presence.id };
    if (!(await writeFailure(db, source, context))) await refresh(tracked);
  }

  async function attempt(tracked: Tracked) {
    try {
      const lane = tracked.failures > 0 ? "again" : fleet.links.has(tracked.row.id) ? "link" : "call";
      const answer = await places.hold(lane, async () => {
        if (fleet.stopped || isForgotten(tracked)) return null;
        const ask = () => pullReport(tracked.peer, limits, isSeed(tracked) ? null : tracked.etag, world);
        return { report: await measured(world, { kind: "pull", source: AGENT_SOURCE }, ask) };
      });
      if (answer === null) return;
      const { report } = answer;
      const state = stateOf(tracked);
      // An answer that was under way when the agent said LEAVING is of before: it makes nothing alive.
      if (state === "LEFT" || state === "INCOMPATIBLE" || tracked.conflict?.blocks || isForgotten(tracked)) return;
      // A seed peer's answers renew it. Any other has hello for that, but one that answers is not lost.
      if (isSeed(tracked) || state === "LOST") await renew(tracked);
      if (report) await take(tracked, report);
      tracked.failures = 0;
    } catch (error) {
      if (!(error instanceof PeerError)) throw error;
      if (!isForgotten(tracked)) await failed(tracked, error);
      throw error;
    }
  }

  /** Starts an attempt, which nothing else may run beside: of two answers the older could be taken in last. */
  function begin(tracked: Tracked): Promise<void> {
    tracked.cancel();
    tracked.again = false;
    const own = attempt(tracked);
    tracked.pulling = own
      .catch((error) => {
        if (error instanceof PeerError) return;
        tracked.failures += 1;
        world.log("error", "a report could not be taken in", { node: tracked.row.name, error: String(error) });
      })
      .finally(() => {
        tracked.pulling = null;
        if (tracked.again && !fleet.stopped && !isForgotten(tracked)) void pull(tracked);
        else watch(tracked);
      });
    return own;
  }

  function pull(tracked: Tracked): Promise<void> {
    // Its failure is recorded where `pulling` is made: whoever waits here waits for that.
    const rest = tracked.restsUntil - world.monotonic();
    if (tracked.pulling) tracked.again = true;
    else if (rest > 0) later(tracked, rest);
    else begin(tracked).catch(() => {});
    return tracked.pulling ?? Promise.resolve();
  }

  function later(tracked: Tracked, ms: number) {
    tracked.cancel();
    tracked.cancel = world.timer(ms, () => void pull(tracked));
  }

  /** When to ask next without being told to: a seed peer by the clock, any other after a fault, with back-off. */
  function watch(tracked: Tracked) {
    tracked.cancel();
    const state = stateOf(tracked);
    if (fleet.stopped || isForgotten(tracked) || !isOwn(fleet, tracked)) return;
    if (state === "LEFT" || state === "INCOMPATIBLE") return;
    if (!isSeed(tracked) && tracked.failures === 0) return;
    const third = fleet.ttlMs(tracked) / 3;
    const ms = Math.min(LONGEST_BACKOFF_MS, third * 2 ** Math.max(0, Math.min(tracked.failures - 1, 10)));
    later(tracked, ms * (0.75 + 0.25 * world.random()));
  }

  return {
    pull,
    failed,
    async pullNow(tracked) {
      // One that was under way may have begun too early.
      while (tracked.pulling) await tracked.pulling;
      await begin(tracked);
    },
  };
}
