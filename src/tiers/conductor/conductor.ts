import { PeerError } from "../../client/peer.ts";
import { type Limits, runDiscovery } from "../../client/wrangle.ts";
import type { Hello, Registered } from "../../contract/hello.ts";
import type { Operation } from "../../contract/operation.ts";
import type { Database } from "../../db/database.ts";
import { hardwareOfNode } from "../../db/hardware.ts";
import { failInterrupted, getOperation, saveOperation } from "../../db/operations.ts";
import type { World } from "../../world.ts";
import { createPeers, type DialOptions } from "../greeting.ts";
import { leaseSeconds } from "../lease.ts";
import { createLimiter } from "../limiter.ts";
import { type ChildWork, createOperations } from "../operations.ts";
import { settle } from "../settle.ts";
import { type Fleet, isCurrent, stateOf, type Tracked } from "./fleet.ts";
import { createMembership } from "./membership.ts";
import { createPulls } from "./pulls.ts";
import { createReads, type Reads } from "./reads.ts";

/** What one agent may cost its conductor: a little more than an agent lets itself report. */
export const AGENT_LIMITS: Limits = {
  devices: 25_000,
  bySource: true,
  bytes: 64 * 2 ** 20,
  deadlineMs: 15_000,
  discoveryMs: 120_000,
};
const DISCOVERIES_AT_ONCE = 32;

export interface ConductorOptions extends DialOptions {
  db: Database;
  world: World;
  leaseSeconds?: number | null;
  /** This conductor's own address, which no agent may claim. */
  endpoint?: string | null;
  limits?: Partial<Limits>;
}

/** The fleet: wrangles its agents and keeps the database right. */
export interface Conductor extends Reads {
  readonly ready: boolean;
  hello(hello: Hello, remoteAddress: string | null): Promise<Registered>;
  startDiscovery(): Operation;
  operation(uuid: string, waitMs: number): Promise<Operation | null>;
  /** Resolves once no pull is under way. */
  settled(): Promise<void>;
  start(): Promise<void>;
  stop(): Promise<void>;
}

export async function createConductorTier(options: ConductorOptions): Promise<Conductor> {
  const { db, world } = options;
  const members = new Map<string, Tracked>();
  const fleet: Fleet = {
    db,
    world,
    limits: { ...AGENT_LIMITS, ...options.limits },
    members,
    ttlMs: () => leaseSeconds(members.size, options.leaseSeconds ?? null) * 1000,
    stopped: false,
  };
  const membership = createMembership(fleet, createPeers(options, world, "conductor"));
  const { pull, pullNow, failed } = createPulls(fleet, membership.renew);
  const reads = createReads(db);
  const operations = createOperations(world, (operation) => db.write((tx) => saveOperation(tx, operation)));
  const limited = createLimiter(DISCOVERIES_AT_ONCE);
  let ready = false;

  async function discover(tracked: Tracked): ReturnType<ChildWork["run"]> {
    if (stateOf(tracked) === "INCOMPATIBLE") throw new Error("it speaks no API version of this conductor");
    const operation = await runDiscovery(tracked.peer, fleet.limits, world).catch(async (error) => {
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

  const settled = async () => {
    await Promise.all([...members.values()].map(({ pulling }) => pulling));
  };

  return {
    ...reads,
    get ready() {
      return ready;
    },
    async nodes(filter, paging) {
      const list = await reads.nodes(filter, paging);
      // Leases are written in batches: memory knows better when a node was last heard.
      const nodes = list.nodes.map((node) => ({
        ...node,
        last_seen: members.get(node.id)?.row.last_seen ?? node.last_seen,
      }));
      return { ...list, nodes };
    },
    async hello(body, remoteAddress) {
      const { answer, changed } = await membership.hello(body, remoteAddress);
      if (changed) void pull(changed);
      return answer;
    },
    startDiscovery: () =>
      operations.start("discovery", async () =>
        [...members.values()]
          .filter((tracked) => stateOf(tracked) !== "LEFT")
          .map((tracked) => ({
            name: tracked.row.name,
            endpoint: tracked.row.endpoint,
            run: () => limited(() => discover(tracked)),
          })),
      ),
    async operation(uuid, waitMs) {
      return (await operations.wait(uuid, waitMs)) ?? (await getOperation(db.read, uuid));
    },
    settled,
    async start() {
      await db.write((tx) => failInterrupted(tx, world.now()));
      await membership.start();
      for (const tracked of members.values()) if (isCurrent(stateOf(tracked))) void pull(tracked);
      ready = true;
    },
    async stop() {
      fleet.stopped = true;
      for (const tracked of members.values()) tracked.cancel();
      await membership.stop();
      // What has been answered is still taken in: whoever stops this closes the database next.
      await settled();
    },
  };
}
