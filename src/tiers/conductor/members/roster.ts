import type { Peer } from "../../../client/peer.ts";
import type { Condition } from "../../../contract/condition.ts";
import type { NodeState } from "../../../contract/node.ts";
import { allNodes, getNode, touchNodes } from "../../../db/queries/nodes.ts";
import type { Peers } from "../../greeting.ts";
import { type Fleet, isCurrent, stateOf, type Tracked } from "../fleet.ts";
import { writeState } from "../inventory/write.ts";

const FLUSH_MS = 1_000;

/** Who is in the fleet, in which state, and who has fallen silent. */
export interface Roster {
  /** Takes the stored nodes in, each with a fresh lease, and begins to count silence. */
  start(peers: Peers): Promise<void>;
  stop(): Promise<void>;
  track(row: Tracked["row"], peer: Peer, stored?: boolean): Tracked;
  /** Stores what a node has become; `distrust`: its devices are no longer known to be its own. */
  setState(tracked: Tracked, row: Tracked["row"], options?: { distrust?: boolean }): Promise<void>;
  /** Notes a sign of life. */
  heard(tracked: Tracked): void;
  /** A sign of life of a node that may have been given up. */
  renew(tracked: Tracked): Promise<void>;
  /** Two claim to be this node: shown until `forMs` after the last time. `blocks`: neither can be told to be the right one. */
  contest(tracked: Tracked, condition: Condition, options: { forMs: number; blocks: boolean }): Promise<void>;
}

export function createRoster(fleet: Fleet): Roster {
  const { db, world, members } = fleet;
  const heardSinceFlush = new Set<Tracked>();
  let cancelTick = () => {};
  let lastTick = 0;
  const now = () => world.now().toISOString();

  const track: Roster["track"] = (row, peer, stored = false) => ({
    row,
    stored,
    peer,
    // A conductor that was away knows nothing of who was silent: everyone gets a fresh lease.
    heard: world.monotonic(),
    // The devices' freshness may be older than the stored generation: the first pull asks for all.
    etag: null,
    failures: 0,
    pulling: null,
    again: false,
    conflict: null,
    cancel: () => {},
  });

  const setState: Roster["setState"] = async (tracked, row, { distrust = false } = {}) => {
    const stale = distrust || (!isCurrent(row.state as NodeState) && isCurrent(stateOf(tracked)));
    await writeState(db, row, { now: now(), devices: stale ? "stale" : "keep" });
    tracked.stored = true;
    // A report may have been taken in meanwhile, or a key: they stay.
    tracked.row = { ...row, generation: tracked.row.generation, key: tracked.row.key };
  };

  function heard(tracked: Tracked) {
    tracked.heard = world.monotonic();
    tracked.row.last_seen = now();
    heardSinceFlush.add(tracked);
  }

  async function renew(tracked: Tracked) {
    heard(tracked);
    const state = stateOf(tracked);
    if (state === "LIVE" || tracked.conflict) return;
    // Its devices were shown as old: ask for all of them again.
    if (state !== "LATE") tracked.etag = null;
    await setState(tracked, { ...tracked.row, state: "LIVE" });
  }

  const contest: Roster["contest"] = async (tracked, condition, { forMs, blocks }) => {
    // Somebody is there, though nobody knows who.
    if (blocks) heard(tracked);
    const before: Condition[] = JSON.parse(tracked.row.conditions ?? "[]");
    const told = tracked.conflict !== null && before.some(({ reason }) => reason === condition.reason);
    const state = tracked.conflict?.before ?? stateOf(tracked);
    tracked.conflict = { until: world.monotonic() + forMs, blocks, before: state };
    if (blocks) tracked.etag = null;
    if (told) return;
    world.log("warn", condition.message, { node: tracked.row.id });
    const row = { ...tracked.row, state: "CONFLICT", conditions: JSON.stringify([condition]) };
    await setState(tracked, row, { distrust: blocks });
  };

  /** What a node is by its silence alone. */
  function silenceOf(tracked: Tracked, time: number): NodeState {
    const silent = time - tracked.heard;
    const ttl = fleet.ttlMs(tracked);
    return silent > 2 * ttl ? "LOST" : silent > ttl ? "LATE" : "LIVE";
  }

  /** Whether another conductor has heard it since this one last looked: both write down when a node was seen. */
  async function heardElsewhere(tracked: Tracked): Promise<boolean> {
    const stored = await getNode(db.read, tracked.row.id);
    if (!stored?.last_seen || !tracked.row.last_seen || stored.last_seen <= tracked.row.last_seen) return false;
    tracked.row.last_seen = stored.last_seen;
    tracked.heard = world.monotonic();
    return true;
  }

  async function expire() {
    const time = world.monotonic();
    // After a suspend this timer runs before the hellos that wait in the socket: silence was ours, not theirs.
    const paused = time - lastTick > fleet.ttlMs() / 2;
    lastTick = time;
    for (const tracked of members.values()) {
      if (paused) tracked.heard = time;
      const { conflict } = tracked;
      if (conflict && conflict.until < time) {
        tracked.conflict = null;
        const state = isCurrent(conflict.before) ? silenceOf(tracked, time) : conflict.before;
        await setState(tracked, { ...tracked.row, state, conditions: null });
      }
      // One that was silent before somebody else claimed to be it has not fallen silent now.
      if (tracked.conflict && !isCurrent(tracked.conflict.before)) continue;
      const state = silenceOf(tracked, time);
      if (!isCurrent(stateOf(tracked)) || state === "LIVE" || state === stateOf(tracked)) continue;
      if (await heardElsewhere(tracked)) continue;
      // A machine without power closes no connection: what is left of it must not stand in its own way.
      if (state === "LOST") fleet.links.close(tracked.row.id, "the node is LOST");
      world.log("warn", `node ${tracked.row.name} is ${state}`, { node: tracked.row.id });
      await setState(tracked, { ...tracked.row, state });
      // It may have been heard while its silence was written down.
      if (tracked.heard > time) await renew(tracked);
    }
  }

  async function flush() {
    const batch = [...heardSinceFlush].map(({ row }) => ({ id: row.id, last_seen: row.last_seen ?? now() }));
    heardSinceFlush.clear();
    if (batch.length > 0) await db.write((tx) => touchNodes(tx, batch));
  }

  async function tick() {
    try {
      await expire();
      await flush();
    } catch (error) {
      world.log("error", "leases could not be written", { error: String(error) });
    }
    if (!fleet.stopped) cancelTick = world.timer(Math.min(FLUSH_MS, fleet.ttlMs() / 6), () => void tick());
  }

  return {
    async start(peers) {
      for (const { revision: _, ...row } of await allNodes(db.read)) {
        const peer =
          row.key !== null ? fleet.links.peer(row.id) : row.endpoint !== null ? peers.again(row.endpoint) : null;
        if (peer === null) continue;
        const tracked = track(row, peer, true);
        // Who was in conflict has to be seen there again.
        if (stateOf(tracked) === "CONFLICT")
          tracked.conflict = { until: world.monotonic() + 2 * fleet.ttlMs(tracked), blocks: false, before: "LIVE" };
        // Its link has to be dialled first, and that may wait for as long as half a minute.
        if (row.key !== null) tracked.heard += fleet.linkGraceMs();
        members.set(row.id, tracked);
      }
      lastTick = world.monotonic();
      void tick();
    },
    async stop() {
      cancelTick();
      await flush().catch((error) => world.log("error", "leases could not be written", { error: String(error) }));
    },
    track,
    setState,
    heard,
    renew,
    contest,
  };
}
