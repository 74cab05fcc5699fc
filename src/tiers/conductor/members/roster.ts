import type { Peer } from "../../../client/peer.ts";
import type { Condition } from "../../../contract/condition.ts";
import type { Said } from "../../../contract/fleet/given.ts";
import type { NodeState } from "../../../contract/node.ts";
import { getNode, type NodeRow } from "../../../db/queries/nodes.ts";
import { sleep } from "../../../world.ts";
import { type Fleet, isCurrent, isOwn, stateOf, type Tracked } from "../fleet.ts";
import { writeState } from "../inventory/write.ts";
import { createTakes } from "../owners/takes.ts";

/** Who is in the fleet, whose they are, and in which state. */
export interface Roster {
  track(row: Tracked["row"], known: { peer: Peer; owner: string | null; stored: boolean }): Tracked;
  /**
   * Stores what a node has become, which makes it this conductor's; `held`: only if it is so already. `says`: what the node
   * says it is called, else that stays. `distrust`: its devices are no longer known to be its own. False: it is another's, or
   * `unless` is true by now, and nothing was stored.
   */
  setState(
    tracked: Tracked,
    row: Tracked["row"],
    options?: { distrust?: boolean; held?: boolean; says?: Said; unless?: () => boolean },
  ): Promise<boolean>;
  /** Notes a sign of life. */
  heard(tracked: Tracked): void;
  /** A sign of life of a node that may have been given up. */
  renew(tracked: Tracked): Promise<void>;
  /** Two claim to be this node: shown until `forMs` after the last time. `blocks`: neither can be told to be the right one. */
  contest(tracked: Tracked, condition: Condition, options: { forMs: number; blocks: boolean }): Promise<void>;
  /** Makes a node this conductor's, which is how another one learns that it is not its own any more. */
  take(tracked: Tracked): Promise<void>;
  /** Looks at how a node stands in the database, where another conductor may have written. */
  refresh(tracked: Tracked): Promise<void>;
  /** Notes how a node stands. */
  learn(tracked: Tracked, row: NodeRow): void;
  /** When a node was last heard, ISO 8601; null where that was never. */
  lastSeen(tracked: Tracked): string | null;
  /** Those heard since the last call and when, by the monotonic clock; their rows say when. */
  heardLately(): [Tracked, number][];
  /** Puts one back that could not be written down. */
  heardAgain(tracked: Tracked, at: number): void;
}

const nothing = () => {};

export function createRoster(fleet: Fleet): Roster {
  const { db, world, links } = fleet;
  /** Since the last time that was written down, by the clock that only goes on: a date at each hello is much of what one costs. */
  let heardSince = new Map<Tracked, number>();
  const now = () => world.now().toISOString();

  const track: Roster["track"] = (row, known) => ({
    row,
    ...known,
    renewals: null,
    // A conductor that was away knows nothing of who was silent: everyone gets a fresh lease.
    heard: world.monotonic(),
    // The devices' freshness may be older than the stored generation: the first pull asks for all.
    etag: null,
    failures: 0,
    pulling: null,
    again: false,
    restsUntil: 0,
    conflict: null,
    cancel: nothing,
  });

  /** What was known of it was of when another conductor asked it. */
  function gained(tracked: Tracked, renewals: number | null) {
    const { row } = tracked;
    Object.assign(tracked, { owner: fleet.presence.id, renewals, etag: null, heard: world.monotonic() });
    // Its link has to be dialled first, and that its conductor has lost its power it finds out within two leases of a link.
    if (row.key !== null && !links.has(row.id)) tracked.heard += fleet.linkGraceMs();
  }

  function learn(tracked: Tracked, stored: NodeRow) {
    const { revision: _, reported: __, owner, renewals, ...row } = stored;
    const before = isOwn(fleet, tracked);
    // One that was gone has come back to another conductor, and from there to this one, before that was seen here.
    const unseen = !isCurrent(stateOf(tracked)) && isCurrent(row.state as NodeState); // written from a NodeState only
    Object.assign(tracked, { row, owner, stored: true });
    const own = isOwn(fleet, tracked);
    if (own && (!before || unseen)) gained(tracked, renewals);
    // Who was in conflict has to be seen there again.
    if (row.state === "CONFLICT" && !tracked.conflict) {
      const until = world.monotonic() + 2 * fleet.ttlMs(tracked);
      const apart = row.last_seen === null ? "EXPECTED" : "LIVE";
      tracked.conflict = { until, blocks: false, apart, conditions: row.conditions };
    }
    if (own || !before) return;
    Object.assign(tracked, { etag: null, failures: 0 });
    tracked.cancel();
    links.close(row.id, "the node has connected to another conductor");
  }

  async function refresh(tracked: Tracked) {
    const row = await getNode(db.read, tracked.row.id);
    if (row) learn(tracked, row);
    else tracked.stored = false;
  }

  const takes = createTakes(fleet, learn);

  const setState: Roster["setState"] = async (tracked, row, { distrust = false, held = false, says, unless } = {}) => {
    const stale = distrust || (!isCurrent(row.state as NodeState) && isCurrent(stateOf(tracked)));
    const owner = fleet.presence.id;
    const devices = stale ? "stale" : "keep";
    const rest = () => sleep(world, 0);
    const written = await writeState(db, row, { now: now(), devices, owner, held, says, unless, rest });
    if (!written) {
      await refresh(tracked);
      return false;
    }
    tracked.stored = true;
    // It may have been forgotten while it said hello: who has a row is counted.
    if (!fleet.members.has(row.id)) fleet.members.set(row.id, tracked);
    // Whatever is heard next, and may have been said already, has to ask for all of them again.
    if (stale) tracked.etag = null;
    // A report may have been taken in meanwhile, or a key: they stay.
    const { name, labels, given, owned } = written;
    tracked.row = { ...row, name, labels, generation: tracked.row.generation, key: tracked.row.key };
    fleet.names.learn(row.id, given);
    // It may have been another's for a while without this one's knowledge: what that one wrote of it is not what was asked here.
    if (tracked.owner !== owner || owned === "taken") gained(tracked, null);
    return true;
  };

  function lastSeen(tracked: Tracked) {
    const at = heardSince.get(tracked);
    if (at === undefined) return tracked.row.last_seen;
    return new Date(world.now().getTime() - (world.monotonic() - at)).toISOString();
  }

  function heard(tracked: Tracked) {
    tracked.heard = world.monotonic();
    heardSince.set(tracked, tracked.heard);
  }

  async function renew(tracked: Tracked) {
    heard(tracked);
    const state = stateOf(tracked);
    if (state === "LIVE" || tracked.conflict) return;
    // One's own has a row, unless it was forgotten: an answer makes no other.
    await setState(tracked, { ...tracked.row, state: "LIVE" }, { held: isOwn(fleet, tracked) });
  }

  const contest: Roster["contest"] = async (tracked, condition, { forMs, blocks }) => {
    // Somebody is there, though nobody knows who.
    if (blocks) heard(tracked);
    const before: Condition[] = JSON.parse(tracked.row.conditions ?? "[]");
    const told = tracked.conflict !== null && before.some(({ reason }) => reason === condition.reason);
    const apart = blocks ? "LIVE" : (tracked.conflict?.apart ?? stateOf(tracked));
    const conditions = JSON.stringify([condition]);
    tracked.conflict = { until: world.monotonic() + forMs, blocks, apart, conditions };
    if (blocks) tracked.etag = null;
    if (told) return;
    world.log("warn", condition.message, { node: tracked.row.id });
    const row = { ...tracked.row, state: "CONFLICT", conditions };
    await setState(tracked, row, { distrust: blocks });
  };

  return {
    track,
    setState,
    heard,
    renew,
    contest,
    take: takes.take,
    refresh,
    learn,
    lastSeen,
    heardLately() {
      for (const tracked of heardSince.keys()) tracked.row.last_seen = lastSeen(tracked);
      const batch = [...heardSince];
      heardSince = new Map();
      return batch;
    },
    heardAgain(tracked, at) {
      if (!heardSince.has(tracked)) heardSince.set(tracked, at);
    },
  };
}
