import type { Peer } from "../../client/peer.ts";
import type { Limits } from "../../client/wrangle.ts";
import type { Hardware } from "../../contract/hardware.ts";
import type { NodeState } from "../../contract/node.ts";
import type { Database } from "../../db/database.ts";
import type { NodeFacts } from "../../db/queries/nodes.ts";
import type { World } from "../../world.ts";
import type { Names } from "./given/names.ts";
import type { Claims } from "./members/claims.ts";
import type { Links } from "./members/links.ts";
import type { Presence } from "./owners/presence.ts";

/** One agent as its conductor holds it: its row, and what only memory needs. */
export interface Tracked {
  row: Omit<NodeFacts, "revision" | "reported">;
  /** The conductor that asks it and says when it is LOST, as this one knows; null: none yet. */
  owner: string | null;
  /** How often others had heard it when that was last looked at; null: not looked at since it became this one's. */
  renewals: number | null;
  peer: Peer;
  /** Whether the database has its row: without one nothing that it reports can be taken in. */
  stored: boolean;
  /** When it was last heard, on this conductor's monotonic clock. */
  heard: number;
  /** For If-None-Match; null has the next pull ask for all. */
  etag: string | null;
  failures: number;
  pulling: Promise<void> | null;
  /** A newer generation was named while a pull was under way. */
  again: boolean;
  /** It is not asked again before, on this conductor's monotonic clock: what it changed took others' time. */
  restsUntil: number;
  /**
   * Two claim to be this node. `until`: when that is over unless it is seen again. `blocks`: neither can be trusted. `apart`: its
   * state apart from that, as it was last heard. `conditions`: what is shown of it, as a row has it.
   */
  conflict: { until: number; blocks: boolean; apart: NodeState; conditions: string | null } | null;
  /** Takes back the next poll or retry. */
  cancel: () => void;
}

/** What the parts of a conductor share. */
export interface Fleet {
  db: Database;
  world: World;
  limits: Limits;
  /** Those that this conductor owns, and those that it has heard of late. */
  members: Map<string, Tracked>;
  links: Links;
  claims: Claims;
  names: Names;
  /** This conductor among those that serve the same database. */
  presence: Presence;
  /** The lease in force, in milliseconds; longer on a link, whose end shows when a node dies. */
  ttlMs(tracked?: Tracked): number;
  /** How much longer two leases are on a link. */
  linkGraceMs(): number;
  stopped: boolean;
}

export const nodeRef = ({ row }: Tracked): Hardware["node"] => ({ id: row.id, name: row.name });

export const stateOf = ({ row }: Tracked): NodeState => row.state as NodeState; // written from a NodeState only

/** A peer that names no API versions speaks the seed only: it is polled instead of renewing. */
export const isSeed = ({ row }: Tracked): boolean => row.api === null && row.key === null;

/** Whether it is this conductor that asks it, as far as it knows: what it writes of it is checked where it is written. */
export const isOwn = ({ presence }: Pick<Fleet, "presence">, { owner }: Tracked): boolean => owner === presence.id;

/** States in which a node's last answer is still what is there. */
export const isCurrent = (state: NodeState) => state === "LIVE" || state === "LATE" || state === "CONFLICT";
