import { formatEndpoint, parseEndpoint } from "./client/endpoint.ts";
import { createPeer, type Peer } from "./client/peer.ts";
import type { Limits } from "./client/wrangle.ts";
import type { Database } from "./db/database.ts";
import { NIL_UUID } from "./pci/identity.ts";
import type { App, Mount } from "./routes/app.ts";
import { agentApp, conductorApp, driverApp } from "./routes/tiers.ts";
import { createAgentTier } from "./tiers/agent/agent.ts";
import { createConductorTier } from "./tiers/conductor/conductor.ts";
import { createDriverTier, type DriverDevice } from "./tiers/driver.ts";
import type { RequestEnv, Tier } from "./tiers/tier.ts";
import { type Log, realWorld, type Store, type World } from "./world.ts";

interface TierOptions {
  /** Where this tier answers, as it announces it upward; without one nothing above can ask it. */
  endpoint?: string | undefined;
  /** Where it is mounted, without a trailing slash; `""` at the root. */
  basePath?: string;
  /** Clock, timers, randomness, fetch and log. Default: this host's, warnings and errors to stderr. */
  world?: World;
  /** Tells one run of this process from the next. Default: a random UUID. */
  bootId?: string;
}

export interface DriverOptions extends TierOptions {
  /** Names the source on its node. */
  name: string;
  /** The device type, such as `"CRYPTO"`. */
  type: string;
  /** Finds the devices; `{ uuid }` is the least. A throw becomes the source's error, and last-good devices stay. */
  discover(): Promise<DriverDevice[]>;
  node?: { id: string; name: string };
  /** URL of the agent to say hello to. Default: none; give the driver to `createAgent` instead. */
  agent?: string | undefined;
}

/** A driver, and how the agent that holds it in process hears of changes. */
export interface DriverTier extends Tier {
  readonly role: "driver";
  readonly type: string;
  onChange(listener: () => void): void;
}

export interface AgentOptions extends TierOptions {
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

export interface ConductorOptions extends TierOptions {
  /** From `openDatabase`; the caller closes it after `stop()`. */
  db: Database;
  leaseSeconds?: number | null;
  limits?: Partial<Limits>;
  /** Tiers of this process to serve below, by path: `{ "/agent": agent }`. */
  mounts?: Record<string, Tier>;
}

const quietLog: Log = (level, message, fields) => {
  if (level === "warn" || level === "error") console.error(level, message, fields ?? "");
};

const mountOf = (
  role: Mount["role"],
  name: string,
  { basePath = "" }: TierOptions,
  world: World,
  tier: { ready: boolean },
): Mount => ({ role, name, auth: "open", basePath, ready: () => tier.ready, log: world.log });

/** `unix:/path` and URLs alike; throws RangeError for what is neither. */
const peerAt = (url: string, world: World): Peer => createPeer(parseEndpoint(url), world);

/** A tier of this process as a peer: the same requests, no network. `base` is what it is shown as. */
export function localPeer(tier: Pick<Tier, "fetch">, base: string, world: World): Peer {
  const endpoint = parseEndpoint(base);
  const prefix = endpoint.kind === "unix" ? "http://localhost" : formatEndpoint(endpoint);
  const fetch: World["fetch"] = async (url, init) =>
    tier.fetch(new Request(`http://localhost${url.slice(prefix.length)}`, init), { remoteAddress: "127.0.0.1" });
  return createPeer(endpoint, { ...world, fetch });
}

function mount(app: App, path: string, tier: Pick<Tier, "fetch">) {
  app.mount(path, (request: Request, env: RequestEnv | undefined) => tier.fetch(request, env));
}

/** One kind of hardware on one node. Serves the seed's driver calls; `start()` runs the first discovery. */
export async function createDriver(options: DriverOptions): Promise<DriverTier> {
  const { name, type, discover, world = realWorld(quietLog), bootId = crypto.randomUUID() } = options;
  const listeners: (() => void)[] = [];
  const driver = await createDriverTier({
    name,
    type,
    discover,
    world,
    bootId,
    node: options.node ?? { id: NIL_UUID, name: "localhost" },
    endpoint: options.endpoint ?? null,
    agent: options.agent === undefined ? undefined : peerAt(options.agent, world),
    onChange: () => {
      for (const listener of listeners) listener();
    },
  });
  const app = driverApp(driver, mountOf("driver", name, options, world, driver));
  return {
    role: "driver",
    name,
    type,
    fetch: (request, env) => app.fetch(request, env),
    start: driver.start,
    stop: driver.stop,
    onChange: (listener) => listeners.push(listener),
  };
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

/** The fleet: wrangles its agents and keeps the database right. */
export async function createConductor(options: ConductorOptions): Promise<Tier> {
  const { db, world = realWorld(quietLog), mounts = {} } = options;
  const conductor = await createConductorTier({
    db,
    world,
    leaseSeconds: options.leaseSeconds ?? null,
    endpoint: options.endpoint ?? null,
    limits: options.limits,
  });
  const app = conductorApp(conductor, mountOf("conductor", "conductor", options, world, conductor));
  for (const [path, tier] of Object.entries(mounts)) mount(app, path, tier);
  return {
    role: "conductor",
    name: "conductor",
    fetch: (request, env) => app.fetch(request, env),
    start: conductor.start,
    stop: conductor.stop,
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
