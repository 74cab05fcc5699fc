import type { Peer } from "../../../client/peer.ts";
import { adoptNodes, nodesOf, settledNodes } from "../../../db/queries/fleet/owners.ts";
import type { NodeRow } from "../../../db/queries/nodes.ts";
import type { Peers } from "../../greeting.ts";
import { type Fleet, isCurrent, isOwn, isSeed, stateOf, type Tracked } from "../fleet.ts";
import type { Roster } from "../members/roster.ts";

const PAGE = 500;

/** The nodes that are this conductor's, as a whole. */
export interface Holdings {
  /** Takes in the stored nodes that are this conductor's, or nobody's, each with a fresh lease. */
  start(): Promise<void>;
  /** Takes in those that have become its own. */
  load(): Promise<void>;
  /** None is its own any more, but for those whose link it holds. */
  disown(): Promise<void>;
}

export function createHoldings(
  fleet: Fleet,
  roster: Roster,
  { peers, pull }: { peers: Peers; pull: (tracked: Tracked) => Promise<void> },
): Holdings {
  const { db, members, links } = fleet;

  const peerOf = ({ id, key, endpoint }: NodeRow): Peer | null =>
    key !== null ? links.peer(id) : endpoint !== null ? peers.again(endpoint) : null;

  function takeIn(row: NodeRow, settled: ReadonlySet<string>) {
    const known = members.get(row.id);
    if (known) {
      const before = isOwn(fleet, known);
      roster.learn(known, row);
      if (!before) trust(known, settled);
      // Another one may have had it meanwhile without this one's knowledge, and have written what it did not hear.
      else if (!settled.has(row.id)) known.etag = null;
      return;
    }
    const peer = peerOf(row);
    if (peer === null) return;
    const { revision: _, reported: __, renewals: ___, owner: ____, ...facts } = row;
    const tracked = roster.track(facts, { peer, owner: null, stored: true });
    members.set(row.id, tracked);
    roster.learn(tracked, row);
    trust(tracked, settled);
    // Any other says hello within a third of its lease, and shows who it is.
    if (isSeed(tracked) && isCurrent(stateOf(tracked))) void pull(tracked);
  }

  /** What an agent says it still is need not be asked for again where all of it is stored: a fleet's restart is not its first start. */
  function trust(tracked: Tracked, settled: ReadonlySet<string>) {
    const { row, conflict } = tracked;
    const state = stateOf(tracked);
    const heard = state === "LIVE" || state === "LATE";
    if (!heard || conflict || isSeed(tracked) || !isOwn(fleet, tracked) || !settled.has(row.id)) return;
    tracked.etag = row.generation;
  }

  async function load() {
    // Before the rows, and they are this conductor's already: nobody else writes of them.
    const settled = await settledNodes(db.read);
    let after: string | undefined;
    for (;;) {
      const rows = await nodesOf(db.read, fleet.presence.id, { after, limit: PAGE });
      for (const row of rows) takeIn(row, settled);
      after = rows.at(-1)?.id;
      if (rows.length < PAGE) return;
    }
  }

  return {
    async start() {
      await db.write((tx) => adoptNodes(tx, fleet.presence.id));
      await load();
    },
    load,
    async disown() {
      for (const tracked of members.values()) {
        tracked.cancel();
        Object.assign(tracked, { owner: null, etag: null, conflict: null });
      }
      await load();
      const linked = [...members.values()].filter(({ row }) => links.has(row.id));
      await Promise.all(linked.map((tracked) => roster.take(tracked)));
    },
  };
}
