import type { Config } from "../../config.ts";
import { createDriver, type DriverTier } from "../../create/driver.ts";
import { localFetch, localPeer } from "../../create/mount.ts";
import type { Database } from "../../db/database.ts";
import { fromScan, wantedBy } from "../../drivers/discover.ts";
import { generic } from "../../drivers/generic.ts";
import { kinds } from "../../drivers/registry.ts";
import { pciNames } from "../../pci/names.ts";
import { createScanner } from "../../pci/scanner/scanner.ts";
import type { ScanResult } from "../../pci/sysfs/scan.ts";
import { LoggedError } from "../../tiers/driver.ts";
import type { Tier } from "../../tiers/tier.ts";
import type { World } from "../../world.ts";
import { fileStore } from "../store.ts";

/** What a role is assembled from: the configuration, with everything settled that it left to the host. */
export interface RoleConfig extends Omit<Config, "node" | "nodeId" | "source"> {
  /** Of no meaning to a conductor. */
  node: { id: string; name: string };
  /** The tree to scan: the host's, or a snapshot written back. */
  sysfs: string;
  /** A pci.ids that came with a snapshot; null: the system's, if it has one. */
  pciIds: string | null;
  /** What to announce. */
  endpoint: string;
}

/** Builds the tiers of a role; nothing is scanned and nobody is called before `start()`. */
export async function assembleRole(config: RoleConfig, world: World, url: string): Promise<Tier> {
  switch (config.role) {
    case "conductor":
      return conductorRole(config, world);
    case "agent":
      return agentRole(config, world, { basePath: "", endpoint: config.endpoint });
    case "driver":
      return driverRole(config, world);
    case "all":
      return allRole(config, world, url);
  }
}

/** The bus of this node, scanned once for all drivers that ask at the same time; a failure is logged once, too. */
function openBus({ sysfs, pciIds, node }: RoleConfig, kinds: readonly string[], { log }: World) {
  const scanner = createScanner({ sysfs, wanted: wantedBy({ kinds }) });
  const shared = new WeakMap<Promise<ScanResult>, Promise<ScanResult>>();
  const scan = (): Promise<ScanResult> => {
    const running = scanner.scan();
    const known = shared.get(running);
    if (known) return known;
    const logged = running.catch((cause) => {
      const message = cause instanceof Error ? cause.message : String(cause);
      log("error", "discovery failed", { drivers: kinds.join(","), error: message });
      throw new LoggedError(message, { cause });
    });
    shared.set(running, logged);
    return logged;
  };
  return { scan, close: () => scanner.close(), names: pciNames({ text: pciIds }), node };
}
type Bus = ReturnType<typeof openBus>;

/** The built-in driver of one kind: a view of the bus. */
function builtIn(
  kind: string,
  { scan, names, node }: Bus,
  world: World,
  options: { basePath?: string; endpoint?: string; agent?: string | undefined } = {},
): Promise<DriverTier> {
  const known = [...kinds, generic].find(({ name }) => name === kind);
  return createDriver({
    ...options,
    name: kind,
    type: known?.deviceType ?? generic.deviceType,
    node,
    world,
    discover: async () => fromScan(await scan(), { kinds: [kind], names, node, now: world.now() }).hardware,
  });
}

const closing = (tier: Tier, close: () => Promise<void>): Tier => ({
  ...tier,
  stop: async () => {
    await tier.stop();
    await close();
  },
});

async function driverRole(config: RoleConfig, world: World): Promise<Tier> {
  const kind = config.driver ?? generic.name;
  const bus = openBus(config, [kind], world);
  const { endpoint, agent } = config;
  return closing(await builtIn(kind, bus, world, { endpoint, agent: agent ?? undefined }), async () => bus.close());
}

async function agentRole(
  config: RoleConfig,
  world: World,
  mounted: { basePath: string; endpoint: string; conductor?: ReturnType<typeof localPeer> },
): Promise<Tier & { drivers: DriverTier[] }> {
  const bus = openBus(config, config.drivers, world);
  const drivers = await Promise.all(
    config.drivers.map((kind) => builtIn(kind, bus, world, { basePath: `${mounted.basePath}/drivers/${kind}` })),
  );
  // Each role loads what it needs and no more: an agent has no use for a database's code.
  const { createAgent } = await import("../../create/agent.ts");
  const agent = await createAgent({
    node: bus.node,
    drivers,
    world,
    store: fileStore(`${config.state}/agent.json`, world.log),
    leaseSeconds: config.lease,
    conductor: mounted.conductor ?? config.conductor ?? undefined,
    basePath: mounted.basePath,
    endpoint: mounted.endpoint,
  });
  return { ...closing(agent, async () => bus.close()), drivers };
}

async function conductorRole(
  config: RoleConfig,
  world: World,
  served: { mounts?: Record<string, Tier>; ready?: () => boolean } = {},
): Promise<Tier & { db: Database }> {
  const [{ createConductor }, { openDatabase }] = await Promise.all([
    import("../../create/conductor.ts"),
    import("../../db/database.ts"),
  ]);
  const db = await openDatabase(config.db);
  const conductor = await createConductor({
    db,
    world,
    leaseSeconds: config.lease,
    endpoint: config.endpoint,
    ...served,
  });
  return { ...closing(conductor, () => db.close()), db };
}

/** A conductor at the root, its agent below it and the agent's drivers: three tiers, one process, the same calls. */
async function allRole(config: RoleConfig, world: World, url: string): Promise<Tier> {
  // A socket's path can't be extended: in process any address will do that nobody else has.
  const base = `${config.endpoint.startsWith("unix:") ? "http://localhost" : config.endpoint}/agent`;
  // Each knows the other by its address; in between there is no network. The conductor is called only after start().
  let fleet: Awaited<ReturnType<typeof conductorRole>>;
  const upward = localPeer({ fetch: (request, env) => fleet.fetch(request, env) }, url, world);
  const agent = await agentRole(config, world, { basePath: "/agent", endpoint: base, conductor: upward });
  const toAgent = localFetch(agent, base);
  const inProcess: World["fetch"] = (url, init) => (url.startsWith(base) ? toAgent(url, init) : world.fetch(url, init));
  const mounts: Record<string, Tier> = { "/agent": agent };
  for (const driver of agent.drivers) mounts[`/drivers/${driver.name}`] = driver;
  let ready = false;
  let stopped = false;
  fleet = await conductorRole(config, { ...world, fetch: inProcess }, { mounts, ready: () => ready });

  /** Whether the conductor has taken in what the agent found just now, not in an earlier run. */
  async function firstScanServed(): Promise<boolean> {
    const { getNode } = await import("../../db/nodes.ts");
    const tag = (await agent.fetch(new Request("http://localhost/hardware?limit=1"))).headers.get("etag");
    return tag === `W/"${(await getNode(fleet.db.read, config.node.id))?.generation}"`;
  }

  return {
    ...fleet,
    async start() {
      await fleet.start();
      await agent.start();
      while (!stopped && !(await firstScanServed())) await new Promise<void>((resume) => world.timer(10, resume));
      ready = true;
    },
    async stop() {
      stopped = true;
      await agent.stop();
      await fleet.stop();
    },
  };
}
