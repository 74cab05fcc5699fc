import type { Peer } from "../../../client/peer.ts";
import { adoptNodes, nodesOf } from "../../../db/queries/fleet/owners.ts";
import type { NodeRow } from "../../../db/queries/nodes.ts";
import type { Peers } from "../../greeting.ts";
import { type Fleet, isCurrent, isSeed, stateOf, type Tracked } from "../fleet.ts";
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

  function takeIn(row: NodeRow) {
    const known = members.get(row.id);
    if (known) return roster.learn(known, row);
    const peer = peerOf(row);
    if (peer === null) return;
    const { revision: _, reported: __, renewals: ___, owner: ____, ...facts } = row;
    const tracked = roster.track(facts, { peer, owner: null, stored: true });
    members.set(row.id, tracked);
    roster.learn(tracked, row);
    // Any other says hello within a third of its lease, and shows who it is.
    if (isSeed(tracked) && isCurrent(stateOf(tracked))) void pull(tracked);
  }

  async function load() {
    let after: string | undefined;
    for (;;) {
      const rows = await nodesOf(db.read, fleet.presence.id, { after, limit: PAGE });
      for (const row of rows) takeIn(row);
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
