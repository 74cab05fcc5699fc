import type { NodeState } from "../../../contract/node.ts";
import { renewalsOf } from "../../../db/queries/fleet/owners.ts";
import { touchNodes } from "../../../db/queries/nodes.ts";
import { type Fleet, isCurrent, isOwn, stateOf, type Tracked } from "../fleet.ts";
import type { Roster } from "./roster.ts";

const FLUSH_MS = 1_000;
/** So many leases are written in one transaction: more would hold up whoever reads from this process. */
const FLUSHED_AT_ONCE = 1_000;

/** Of a site that is cut off thousands fall silent together: what is written at once shares transactions. */
const JUDGED_AT_ONCE = 64;

/** Counts who has fallen silent, and writes down who has not. */
export interface Silence {
  start(): void;
  stop(): Promise<void>;
  /** Whether the last signs of life could not be written down: others do not know of them. */
  readonly unwritten: boolean;
}

/** `pull`: asks a node that is back for its hardware. */
export function createSilence(fleet: Fleet, roster: Roster, pull: (tracked: Tracked) => Promise<void>): Silence {
  const { db, world, members, links } = fleet;
  let cancel = () => {};
  /**
   * When the next count is due: what comes much later shows that this process itself stood still. The first one is from the
   * beginning on, as it may be stopped while it starts.
   */
  let due = world.monotonic();
  let lookedElsewhere = 0;
  let lookedForGone = 0;
  let unwritten = false;
  /** Hellos were refused since the last count. */
  let refused = false;
  const now = () => world.now().toISOString();

  /** What a node is by its silence alone. */
  function silenceOf(tracked: Tracked, time: number): NodeState {
    const silent = time - tracked.heard;
    const ttl = fleet.ttlMs(tracked);
    return silent > 2 * ttl ? "LOST" : silent > ttl ? "LATE" : "LIVE";
  }

  /**
   * Gives those a fresh lease that another conductor has heard, which is seen by their counters: no clock but this one's is
   * looked at.
   */
  async function lookElsewhere() {
    const before = world.monotonic();
    // One that is gone is another's when it has come back to that one: whoever asks here is to be sent there.
    const forGone = before - lookedForGone > fleet.ttlMs() / 3;
    if (forGone) lookedForGone = before;
    // One whose counter is not known yet may be heard elsewhere before it is: what is read then says nothing of that.
    const isQuiet = ({ renewals, heard }: Tracked) => renewals === null || before - heard > fleet.ttlMs() / 3;
    const quiet = [...members.values()].filter(
      (tracked) =>
        isOwn(fleet, tracked) &&
        !links.has(tracked.row.id) &&
        (isCurrent(stateOf(tracked)) ? isQuiet(tracked) : forGone),
    );
    const found = await renewalsOf(
      db.read,
      quiet.map(({ row }) => row.id),
    );
    const time = world.monotonic();
    // What was heard elsewhere while this one could not look is not known.
    const blind = time - lookedElsewhere > fleet.ttlMs() / 2;
    lookedElsewhere = time;
    for (const tracked of quiet) {
      const seen = found.get(tracked.row.id);
      if (seen && seen.owner !== fleet.presence.id) {
        await roster.refresh(tracked);
        continue;
      }
      if (!isCurrent(stateOf(tracked))) continue;
      const unknown = tracked.renewals === null;
      const changed = seen !== undefined && !unknown && seen.renewals !== tracked.renewals;
      tracked.renewals = seen?.renewals ?? null;
      if (!changed && !unknown && !blind) continue;
      tracked.heard = time;
      if (changed && stateOf(tracked) === "LATE") await roster.setState(tracked, { ...tracked.row, state: "LIVE" });
    }
  }

  async function expire() {
    const { presence } = fleet;
    // Whoever must be taken for dead says nothing of others, and has refused their hellos.
    if (presence.cutOff) {
      refused = true;
      if (presence.lost) links.closeAll("this conductor does not reach its database");
      return;
    }
    const time = world.monotonic();
    // After a suspend this timer runs before the hellos that wait in the socket: silence was ours, not theirs.
    const paused = refused || time - due > fleet.ttlMs() / 2;
    refused = false;
    if (paused) for (const tracked of members.values()) tracked.heard = Math.max(tracked.heard, time);
    if (presence.shared) await lookElsewhere();
    // Nearly all are not among them: whoever waits for each of those has the whole fleet wait.
    const changing = [...members.values()].filter(
      (tracked) =>
        !isOwn(fleet, tracked) ||
        tracked.conflict ||
        silenceOf(tracked, time) !== "LIVE" ||
        stateOf(tracked) !== "LIVE",
    );
    let step = time;
    for (let start = 0; start < changing.length; start += JUDGED_AT_ONCE) {
      // They take as long as the database does; if it was this process that stood still, the next count begins anew.
      if (world.monotonic() - step > fleet.ttlMs() / 2) return;
      step = world.monotonic();
      const some = changing.slice(start, start + JUDGED_AT_ONCE);
      const judged = await Promise.allSettled(some.map((tracked) => judge(tracked, time)));
      for (const one of judged) if (one.status === "rejected") throw one.reason;
    }
  }

  async function judge(tracked: Tracked, time: number) {
    if (!isOwn(fleet, tracked)) return forget(tracked, time);
    const { conflict } = tracked;
    if (conflict && conflict.until < time) {
      tracked.conflict = null;
      const state = isCurrent(conflict.apart) ? silenceOf(tracked, time) : conflict.apart;
      await roster.setState(tracked, { ...tracked.row, state, conditions: null }, { held: true });
    }
    // One that was silent before somebody else claimed to be it has not fallen silent now.
    if (tracked.conflict && !isCurrent(tracked.conflict.apart)) return;
    const state = silenceOf(tracked, time);
    if (!isCurrent(stateOf(tracked)) || state === "LIVE" || state === stateOf(tracked)) return;
    const linked = links.has(tracked.row.id);
    // It may be heard while its silence is written down. A link that has ended meanwhile is no sign of life.
    const unless = () => tracked.heard > time && linked === links.has(tracked.row.id);
    if (!(await roster.setState(tracked, { ...tracked.row, state }, { held: true, unless }))) return;
    world.log("warn", `node ${tracked.row.name} is ${state}`, { node: tracked.row.id });
    if (unless()) return roster.renew(tracked);
    // A machine without power closes no connection: what is left of it must not stand in its own way.
    if (state === "LOST") links.close(tracked.row.id, "the node is LOST");
  }

  /** Another conductor's node that is heard here no more. */
  function forget(tracked: Tracked, time: number) {
    const { id } = tracked.row;
    if (tracked.conflict && tracked.conflict.until < time) tracked.conflict = null;
    if (time - tracked.heard <= 2 * fleet.ttlMs() || links.has(id) || tracked.pulling || tracked.conflict) return;
    tracked.cancel();
    if (members.get(id) === tracked) members.delete(id);
  }

  async function flush() {
    const batch = roster.heardLately();
    for (let start = 0; start < batch.length; start += FLUSHED_AT_ONCE) {
      const some = batch.slice(start, start + FLUSHED_AT_ONCE);
      const seen = some.map(([{ row }]) => ({ id: row.id, last_seen: row.last_seen ?? now() }));
      const { id: by, shared } = fleet.presence;
      try {
        const touched = await db.write((tx) => touchNodes(tx, seen, { by, tell: shared }));
        unwritten = false;
        for (const one of touched) {
          const tracked = members.get(one.id);
          if (!tracked) continue;
          const known = tracked.owner === one.owner && (isOwn(fleet, tracked) || tracked.row.state === one.state);
          if (!known) await roster.refresh(tracked);
          // Of one on a link nobody else looks: that its link ends is to be no sign that another has heard it.
          if (isOwn(fleet, tracked) && one.owner === by && one.renewals !== tracked.renewals)
            Object.assign(tracked, { renewals: one.renewals, heard: world.monotonic() });
          // Who has it will see that it was heard; it was heard here, though, and this is sooner.
          if (one.state !== "LOST" || stateOf(tracked) !== "LOST") continue;
          await roster.renew(tracked);
          void pull(tracked);
        }
      } catch (error) {
        unwritten = true;
        for (const [tracked, at] of batch.slice(start)) if (tracked.stored) roster.heardAgain(tracked, at);
        throw error;
      }
    }
  }

  const failed = (error: unknown) => world.log("error", "leases could not be written", { error: String(error) });

  async function tick() {
    await expire().catch(failed);
    await flush().catch(failed);
    if (!fleet.stopped) next();
  }

  function next() {
    const ms = Math.min(FLUSH_MS, fleet.ttlMs() / 6);
    due = world.monotonic() + ms;
    cancel = world.timer(ms, () => void tick());
  }

  return {
    get unwritten() {
      return unwritten;
    },
    start() {
      lookedElsewhere = world.monotonic();
      void tick();
    },
    async stop() {
      cancel();
      await flush().catch(failed);
    },
  };
}
