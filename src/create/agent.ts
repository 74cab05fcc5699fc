import type { Peer } from "../client/peer.ts";
import type { Limits } from "../client/wrangle.ts";
import { nodeFamilies } from "../metrics/node.ts";
import { agentApp } from "../routes/tiers.ts";
import { createAgentTier } from "../tiers/agent/agent.ts";
import type { RemoteSetup } from "../tiers/agent/options.ts";
import type { DialOptions } from "../tiers/greeting.ts";
import type { Tier } from "../tiers/tier.ts";
import type { Store } from "../world.ts";
import { createAccess } from "./access.ts";
import type { DriverTier } from "./driver.ts";
import { above, localPeer, meteredWorld, mountOf, type TierOptions, withMounts } from "./mount.ts";

export interface AgentOptions extends TierOptions, DialOptions {
  node: { id: string; name: string };
  labels?: Record<string, string>;
  /** Drivers in this process, served under `/drivers/<name>`. Others join by hello. */
  drivers?: DriverTier[];
  /** URL of the conductor to say hello to, or a peer reached otherwise. Default: none. */
  conductor?: string | Peer | undefined;
  /** Keeps registrations and last-good hardware. Default: memory only. */
  store?: Store;
  /** Seconds; default by the number of drivers. */
  leaseSeconds?: number | null;
  limits?: Partial<Limits>;
  /** What the conductor above may do about setup: nothing, see plans, or have them carried out. Default: plan. */
  remoteSetup?: RemoteSetup | undefined;
}

/** An agent, and how it is told that the way to its conductor is open. */
export interface AgentTier extends Tier {
  /** Says hello now, not only when the lease wants it. */
  announce(): void;
  /** The node's uuid of a device, which is another than its driver's where a card has moved. */
  nodeUuid(driver: string, driverUuid: string): string | null;
}

/** One node: wrangles its drivers and answers for them all. */
export async function createAgent(options: AgentOptions): Promise<AgentTier> {
  const { node, drivers = [], bootId = crypto.randomUUID(), conductor } = options;
  const { metrics, world } = meteredWorld("agent", options.world);
  const own = options.endpoint ?? "http://localhost";
  const agent = await createAgentTier({
    node,
    labels: options.labels,
    world,
    bootId,
    drivers: drivers.map((driver) => ({
      name: driver.name,
      type: driver.type,
      // A wildcard's `:PORT` is for others; in process any host will do.
      peer: localPeer(driver, `${own.startsWith(":") ? `localhost${own}` : own}/drivers/${driver.name}`, world),
      start: driver.start,
      stop: driver.stop,
    })),
    store: options.store ?? memoryStore(),
    endpoint: options.endpoint ?? null,
    conductor: typeof conductor === "string" ? above(conductor, world, options) : conductor,
    leaseSeconds: options.leaseSeconds ?? null,
    limits: options.limits,
    remoteSetup: options.remoteSetup,
    dial: options.dial,
    listener: options.listener,
    pass: options.pass,
  });
  const access = createAccess(options.auth, world, { roles: ["viewer", "operator", "admin", "metrics", "driver"] });
  nodeFamilies(metrics, { tier: agent, world, expected: agent.expected.show });
  const app = agentApp(agent, mountOf("agent", node.name, options, world, agent, access, metrics), access.desk);
  for (const driver of drivers) {
    driver.onChange(() => agent.refresh(driver.name));
    driver.onSeen(() => agent.seen(driver.name));
  }
  return {
    role: "agent",
    name: node.name,
    fetch: withMounts(
      (request, env) => app.fetch(request, env),
      Object.fromEntries(drivers.map((driver) => [`/drivers/${driver.name}`, driver])),
    ),
    announce: agent.announce,
    nodeUuid: agent.nodeUuid,
    start: agent.start,
    stop: agent.stop,
  };
}

function memoryStore(): Store {
  let kept: unknown = null;
  return {
    load: async () => kept,
    save: async (document) => {
      kept = document;
    },
  };
}
