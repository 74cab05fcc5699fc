import type { Peer } from "../client/peer.ts";
import type { Limits } from "../client/wrangle.ts";
import { agentApp } from "../routes/tiers.ts";
import { createAgentTier } from "../tiers/agent/agent.ts";
import type { DialOptions } from "../tiers/greeting.ts";
import type { Tier } from "../tiers/tier.ts";
import { realWorld, type Store } from "../world.ts";
import type { DriverTier } from "./driver.ts";
import { localPeer, mount, mountOf, peerAt, quietLog, type TierOptions } from "./mount.ts";

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
}

/** One node: wrangles its drivers and answers for them all. */
export async function createAgent(options: AgentOptions): Promise<Tier> {
  const { node, drivers = [], world = realWorld(quietLog), bootId = crypto.randomUUID(), conductor } = options;
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
    conductor: typeof conductor === "string" ? peerAt(conductor, world) : conductor,
    leaseSeconds: options.leaseSeconds ?? null,
    limits: options.limits,
    dial: options.dial,
    listener: options.listener,
  });
  const app = agentApp(agent, mountOf("agent", node.name, options, world, agent));
  for (const driver of drivers) {
    driver.onChange(() => agent.refresh(driver.name));
    mount(app, `/drivers/${driver.name}`, driver);
  }
  return {
    role: "agent",
    name: node.name,
    fetch: (request, env) => app.fetch(request, env),
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
