import type { Visitor } from "../../auth/caller.ts";
import type { TokenStore } from "../../auth/token.ts";
import { PeerError } from "../../client/peer.ts";
import { type Limits, runDiscovery } from "../../client/wrangle.ts";
import type { ConductorList } from "../../contract/fleet/conductor.ts";
import type { DiscoveryFilter } from "../../contract/fleet/discovery.ts";
import type { Hello, Registered } from "../../contract/hello.ts";
import type { Node } from "../../contract/node.ts";
import type { Operation } from "../../contract/operation.ts";
import { SinewError } from "../../contract/problem.ts";
import type { Database } from "../../db/database.ts";
import { hardwareOfNode } from "../../db/queries/hardware.ts";
import { getNode } from "../../db/queries/nodes.ts";
import { AGENT_SOURCE } from "../../db/queries/sources.ts";
import type { World } from "../../world.ts";
import type { Care } from "../care/care.ts";
import { type Below, relayCare } from "../care/relay.ts";
import { createPeers, type DialOptions } from "../greeting.ts";
import { LINK_LEASE_SECONDS, leaseSeconds } from "../lease.ts";
import { measured } from "../operations/measured.ts";
import type { ChildWork } from "../operations/operations.ts";
import { settle } from "../operations/settle.ts";
import type { Again, Repeat, RequestEnv } from "../tier.ts";
import { createDiscoveries } from "./discovery/discoveries.ts";
import { createFeed, type Feed } from "./feed/feed.ts";
import { type Fleet, isOwn, stateOf, type Tracked } from "./fleet.ts";
import { createNames } from "./given/names.ts";
import { createWishes, type Wishes } from "./given/wishes.ts";
import { createPulls } from "./inventory/pulls.ts";
import { type Admission, createAdmission } from "./members/admission.ts";
import { createClaims } from "./members/claims.ts";
import { createLinks } from "./members/links.ts";
import { createMembership, type Renew } from "./members/membership.ts";
import { createRoster } from "./members/roster.ts";
import { createSilence } from "./members/silence.ts";
import { createExchange } from "./owners/exchange.ts";
import { createHoldings } from "./owners/holdings.ts";
import { listConductors } from "./owners/list.ts";
import { conductorTtlMs, createPresence, type Self } from "./owners/presence.ts";
import { createReads, type Reads } from "./reads.ts";

/** What one agent may cost its conductor: a little more than an agent lets itself report. */
export const AGENT_LIMITS: Limits = {
  devices: 25_000,
  bySource: true,
  bytes: 64 * 2 ** 20,
  deadlineMs: 15_000,
  discoveryMs: 120_000,
};

export interface ConductorOptions extends DialOptions {
  db: Database;
  world: World;
  leaseSeconds?: number | null;
  /** This conductor, as nodes prove their keys to it. */
  id: string;
  /** Those that nodes join with. */
  tokens: TokenStore;
  /** Hears of links that were refused. */
  onRefused: (refusal: { from: string | null; error: SinewError }) => void;
  /** Answers what nodes ask over their links. */
  fetch: (request: Request, env: RequestEnv) => Promise<Response> | Response;
  /** This conductor's own address, which no agent may claim. */
  endpoint?: string | null;
  /**
   * This conductor among those that serve the same database. Default: another one at each start, so that nodes of a run that
   * was killed are its own again only when that one's lease has passed.
   */
  self?: Partial<Pick<Self, "id" | "name" | "version">>;
  limits?: Partial<Limits>;
}

/** The fleet: wrangles its agents and keeps the database right. */
export interface Conductor extends Reads, Wishes, Pick<Admission, "join" | "accept" | "rekey">, Pick<Feed, "follow"> {
  readonly ready: boolean;
  readonly care: Care;
  hello(hello: Hello, from: Visitor, repeat?: Repeat): Promise<Registered>;
  startDiscovery(filter?: DiscoveryFilter): Promise<Operation>;
  conductors(): Promise<ConductorList>;
  operation(uuid: string, waitMs: number): Promise<Operation | null>;
  /** What this conductor has in hand now. */
  figures(): ReturnType<Feed["figures"]> & { links: number; owned: number; leaseSeconds: number };
  /** Resolves once no pull is under way. */
  settled(): Promise<void>;
  start(): Promise<void>;
  /** Ends what followers would hold open for ever. */
  release(): void;
  stop(): Promise<void>;
}

export async function createConductorTier(options: ConductorOptions): Promise<Conductor> {
  const { db, world } = options;
  const members = new Map<string, Tracked>();
  const fixed = options.leaseSeconds ?? null;
  const presence = createPresence({
    ...{ db, world, ttlMs: conductorTtlMs(fixed) },
    ...{ id: world.uuid(), name: "conductor", version: "embedded", endpoint: options.endpoint ?? null },
    ...options.self,
    onTaken: async () => {
      await holdings.load();
      await discoveries.recover();
    },
    onExpelled() {
      exchange.forsaken();
      return holdings.disown();
    },
  });
  const agents = () => Math.max(members.size, presence.nodes);
  const fleet: Fleet = {
    presence,
    db,
    world,
    limits: { ...AGENT_LIMITS, ...options.limits },
    members,
    links: createLinks(world, (node) => {
      const tracked = members.get(node);
      // From here on the shorter lease counts, where there are two.
      if (tracked && fixed === null) tracked.heard = world.monotonic();
    }),
    claims: createClaims(world.monotonic, () => 2 * fleet.ttlMs()),
    names: createNames({ db, world, members }),
    linkGraceMs: () => (fixed === null ? Math.max(0, LINK_LEASE_SECONDS - leaseSeconds(agents(), null)) * 2000 : 0),
    ttlMs(tracked) {
      const seconds = leaseSeconds(agents(), fixed);
      const linked = fixed === null && tracked && fleet.links.has(tracked.row.id);
      return (linked ? Math.max(LINK_LEASE_SECONDS, seconds) : seconds) * 1000;
    },
    stopped: false,
  };
  const peers = createPeers(options, world, "conductor");
  const roster = createRoster(fleet);
  const { pull, pullNow, failed } = createPulls(fleet, roster);
  const silence = createSilence(fleet, roster, pull);
  const greet = createMembership(fleet, roster, { peers, silence });
  const admission = createAdmission(fleet, roster, options);
  const holdings = createHoldings(fleet, roster, { peers, pull });
  const reads = createReads(db, world);
  const feed = createFeed(db, world);
  const exchange = createExchange(fleet, {
    own(node) {
      const tracked = members.get(node);
      if (tracked && isOwn(fleet, tracked)) return tracked;
      throw new SinewError("unavailable", `node ${node} is not this conductor's`, { retryAfter: 1 });
    },
    discover,
  });
  const discoveries = createDiscoveries(fleet, exchange.discover);
  let ready = false;

  async function discover(tracked: Tracked): ReturnType<ChildWork["run"]> {
    if (tracked.conflict?.blocks) throw new Error("two machines say to be this node");
    if (stateOf(tracked) === "INCOMPATIBLE") throw new Error("it speaks no API version of this conductor");
    const operation = await measured(world, { kind: "discovery", source: AGENT_SOURCE }, () =>
      runDiscovery(tracked.peer, fleet.limits, world),
    ).catch(async (error) => {
      if (error instanceof PeerError) await failed(tracked, error);
      throw error;
    });
    await settle(world, operation !== null, () => pullNow(tracked));
    const rows = await hardwareOfNode(db.read, tracked.row.id);
    return {
      found: rows.filter(({ freshness }) => freshness === "FRESH").length,
      status: operation?.status ?? "SUCCEEDED",
      error: operation?.children.find(({ error }) => error !== null)?.error ?? null,
    };
  }

  async function find(uuid: string, { gone } = { gone: false }): Promise<Below> {
    const { node, freshness } = await reads.whereabouts(uuid);
    const tracked = members.get(node);
    const own = tracked && isOwn(fleet, tracked);
    const row = own ? tracked.row : await getNode(db.read, node);
    if (!row) throw new SinewError("peer_failed", `node ${node} is not known any more`);
    const name = `node ${row.name}`;
    if (freshness === "GONE" && !gone) throw new SinewError("not_found", `device ${uuid} is GONE from ${name}`);
    if (own && tracked.conflict?.blocks) throw new SinewError("node_conflict", `two machines say to be ${name}`);
    if (row.state === "LEFT") throw new SinewError("peer_failed", `${name} has left`);
    return { peer: exchange.peer(node), uuid, name };
  }

  /** Not made within the answer of a hello, all of which what is kept of it would keep. */
  const renewing =
    (id: string, renew: Renew): Again =>
    (differs) => {
      const renewed = renew(differs);
      const tracked = renewed === "changed" && members.get(id);
      if (tracked) void pull(tracked);
      return renewed !== null;
    };

  /** Leases are written in batches: memory knows better when a node was last heard. */
  function heard(node: Node): Node {
    const tracked = members.get(node.id);
    return { ...node, last_seen: (tracked && isOwn(fleet, tracked) && roster.lastSeen(tracked)) || node.last_seen };
  }

  const settled = async () => {
    await Promise.all([...members.values()].map(({ pulling }) => pulling));
  };

  return {
    ...reads,
    get ready() {
      return ready && presence.serves;
    },
    async nodes(filter, paging) {
      const list = await reads.nodes(filter, paging);
      return { ...list, nodes: list.nodes.map(heard) };
    },
    node: async (idOrName) => heard(await reads.node(idOrName)),
    conductors: () => listConductors(fleet),
    care: relayCare({ find, operations: discoveries.operations, world, deadlineMs: fleet.limits.deadlineMs }),
    ...createWishes(fleet, { check: admission.check, heard }),
    join: admission.join,
    accept: admission.accept,
    rekey: admission.rekey,
    async hello(body, from, repeat) {
      const { answer, changed, again } = await greet(body, from);
      if (again) repeat?.(answer.uuid, renewing(answer.uuid, again));
      if (changed) void pull(changed);
      return answer;
    },
    startDiscovery: (filter = {}) => discoveries.start(filter),
    operation: discoveries.operation,
    figures() {
      const nodes = [...members.values()];
      return {
        ...feed.figures(),
        links: nodes.filter(({ row }) => fleet.links.has(row.id)).length,
        owned: nodes.filter((tracked) => isOwn(fleet, tracked)).length,
        leaseSeconds: fleet.ttlMs() / 1000,
      };
    },
    settled,
    follow: feed.follow,
    release: feed.stop,
    async start() {
      await presence.start();
      await fleet.names.start();
      await holdings.start();
      silence.start();
      exchange.start();
      await discoveries.recover();
      admission.start();
      ready = true;
    },
    async stop() {
      fleet.stopped = true;
      feed.stop();
      for (const tracked of members.values()) tracked.cancel();
      admission.stop();
      fleet.names.stop();
      exchange.stop();
      await silence.stop();
      fleet.links.closeAll("this conductor stops");
      // What has been answered is still taken in: whoever stops this closes the database next.
      await settled();
      await presence.stop();
    },
  };
}
