import { IN_PROCESS } from "../../auth/caller.ts";
import { formatJoinToken } from "../../auth/join-token.ts";
import type { NodeKey } from "../../auth/node-key.ts";
import { pinnedFetch } from "../../client/pin.ts";
import type { Config } from "../../config.ts";
import { SinewError } from "../../contract/problem.ts";
import { type AuthOptions, passes } from "../../create/access.ts";
import type { AgentTier } from "../../create/agent.ts";
import type { DriverTier } from "../../create/driver.ts";
import type { LinkUp } from "../../create/link.ts";
import { localFetch, localPeer } from "../../create/mount.ts";
import type { Database } from "../../db/database.ts";
import { generic } from "../../drivers/generic.ts";
import { createHealth } from "../../drivers/health/health.ts";
import { builtIn } from "../../live/built-in.ts";
import { type Bus, openBus } from "../../live/bus.ts";
import { uuidV5 } from "../../pci/identity.ts";
import type { Rule } from "../../setup/desired/rule.ts";
import { type NodeSetup, nodeSetup } from "../../setup/node.ts";
import type { Tier } from "../../tiers/tier.ts";
import { sleep, type World } from "../../world.ts";
import { type Joined, pinOf } from "../credentials/joined.ts";
import { fileTokens } from "../credentials/tokens.ts";
import { readAuthority } from "../operator/address.ts";
import { fileStore } from "../store.ts";
import { alarmOptions } from "./alarms.ts";

/** What a role is assembled from: the configuration, with everything settled that it left to the host. */
export interface RoleConfig extends Omit<Config, "node" | "nodeId" | "source" | "auth" | "tls" | "join" | "client"> {
  auth: AuthOptions & { operatorToken: string };
  /** Where it listens, as it is reached from this machine. */
  url: string;
  /** The conductor that this node has joined, and what it shows itself with; null: none. */
  joined: { conductor: Joined; key: NodeKey; client: { cert: string; key: string } | null } | null;
  /** The name in this listener's certificate; null: the host's in its URL. */
  certificateName: string | null;
  /** For join tokens: the hash of the CA that signs this listener's certificate; null: none to pin. */
  caHash: string | null;
  /** Of no meaning to a conductor. */
  node: { id: string; name: string };
  /** The tree to scan: the host's, or a snapshot written back. */
  sysfs: string;
  /** It is a snapshot: it does not change. */
  recorded: boolean;
  /** A pci.ids that came with a snapshot; null: the system's, if it has one. */
  pciIds: string | null;
  /** What to announce. */
  endpoint: string;
  /** What is wanted of this node's devices. */
  rules: readonly Rule[];
}

/** Builds the tiers of a role; nothing is scanned and nobody is called before `start()`. */
export async function assembleRole(config: RoleConfig, world: World): Promise<Tier> {
  switch (config.role) {
    case "conductor":
      return conductorRole(config, world);
    case "agent":
      return agentRole(config, world, { basePath: "", endpoint: config.endpoint });
    case "driver":
      return driverRole(config, world);
    case "all":
      return allRole(config, world);
  }
}

/** What every tier of this process is made with. */
const common = ({ auth, url, dial }: RoleConfig, world: World) => ({
  auth,
  world,
  dial,
  listener: url,
  pass: passes(auth.operatorToken, world),
});

/** The bus, with what is remembered of its devices in the file `memory`. A recording does not change: it is not watched. */
async function busOf(config: RoleConfig, kinds: readonly string[], memory: string, world: World): Promise<Bus> {
  if (config.recorded) return openBus({ ...config, kinds, healthInterval: null, health: null }, world);
  const { log } = world;
  const health = await createHealth({ store: fileStore(`${config.state}/${memory}`, log), log });
  return openBus({ ...config, kinds, health }, world);
}

/** The tier, with the bus that it looks at watched from before its first scan to its end. */
const watching = <T extends Tier>(tier: T, bus: Bus): T => ({
  ...tier,
  async start() {
    await bus.start();
    await tier.start();
  },
  async stop() {
    await tier.stop();
    bus.close();
  },
});

const closing = (tier: Tier, close: () => Promise<void>): Tier => ({
  ...tier,
  stop: async () => {
    await tier.stop();
    await close();
  },
});

/** What sets this node's devices up; nothing sets up a recording. */
function setupOf(config: RoleConfig, world: World, nodeUuid?: (driver: string, uuid: string) => string | null) {
  if (config.recorded) return null;
  const { joined, conductor, rules } = config;
  const above = () => joined?.conductor.url ?? conductor;
  return nodeSetup({ ...config, rules, world, conductor: above, nodeUuid });
}

/** What an earlier run left is dealt with before anything is written, and keeps nobody waiting who only reads. */
const recovering = <T extends Tier>(tier: T, setup: NodeSetup | null, { log }: World): T => ({
  ...tier,
  async start() {
    await tier.start();
    const failed = (error: unknown) => log("error", "an unfinished setup was not dealt with", { error: String(error) });
    void setup?.recover().catch(failed);
    await setup?.reportUnmatched();
  },
});

async function driverRole(config: RoleConfig, world: World): Promise<Tier> {
  const kind = config.driver ?? generic.name;
  const bus = await busOf(config, [kind], `health-${kind}.json`, world);
  const { endpoint, agent } = config;
  const ca = agent?.startsWith("https:") ? await readAuthority(config.state, "agent") : null;
  // An agent of this state directory that speaks TLS by a CA which the system does not know.
  const trusting = ca === null ? world : { ...world, fetch: pinnedFetch(world.fetch, { ca }) };
  const setup = setupOf(config, world);
  const driver = await builtIn(kind, bus, { ...common(config, trusting), endpoint, agent: agent ?? undefined, setup });
  return watching(recovering(driver, setup, world), bus);
}

async function agentRole(
  config: RoleConfig,
  world: World,
  mounted: { basePath: string; endpoint: string; conductor?: ReturnType<typeof localPeer> },
): Promise<Tier & { drivers: DriverTier[] }> {
  const bus = await busOf(config, config.drivers, "health.json", world);
  const tokens = config.auth.tokens ?? (await fileTokens(config.state, world.log));
  const shared = { ...common(config, world), auth: { ...config.auth, tokens } };
  // An agent knows a card that has moved by another uuid than the driver; it is made of its drivers.
  let nodeUuid: AgentTier["nodeUuid"] = () => null;
  const setup = setupOf(config, world, (driver, uuid) => nodeUuid(driver, uuid));
  const drivers = await Promise.all(
    config.drivers.map((kind) =>
      builtIn(kind, bus, { ...shared, basePath: `${mounted.basePath}/drivers/${kind}`, setup }),
    ),
  );
  const bootId = world.uuid();
  const link = config.joined ? await linkOf(config, config.joined, bootId, world) : null;
  // Each role loads what it needs and no more: an agent has no use for a database's code.
  const { createAgent } = await import("../../create/agent.ts");
  const agent = await createAgent({
    ...shared,
    node: bus.node,
    bootId,
    drivers,
    store: fileStore(`${config.state}/agent.json`, world.log),
    leaseSeconds: config.lease,
    remoteSetup: config.remoteSetup,
    conductor: mounted.conductor ?? link?.conductor ?? config.conductor ?? undefined,
    basePath: mounted.basePath,
    endpoint: mounted.endpoint,
  });
  nodeUuid = agent.nodeUuid;
  const served = {
    ...agent,
    async start() {
      link?.start(agent);
      await agent.start();
      // Which device a uuid means is known only now: two cards may have changed places while this did not run.
      if (config.rules.some(({ match }) => match.uuid !== undefined))
        for (const driver of drivers) void driver.refresh();
    },
  };
  return { ...closing(watching(recovering(served, setup, world), bus), async () => link?.stop()), drivers };
}

async function linkOf(
  config: RoleConfig,
  { conductor: { url, ca, name }, key, client }: NonNullable<RoleConfig["joined"]>,
  bootId: string,
  world: World,
): Promise<LinkUp> {
  const { linkUp } = await import("../../create/link.ts");
  const tls = { ...(ca === null ? {} : pinOf({ url, ca, name })), ...client };
  return linkUp({ url, tls, node: { id: config.node.id, key }, bootId, world });
}

async function conductorRole(
  config: RoleConfig,
  world: World,
  served: { db?: Database; mounts?: Record<string, Tier>; ready?: () => boolean } = {},
): Promise<Tier & { db: Database }> {
  const [{ createConductor }, { expectAlone }] = await Promise.all([
    import("../../create/conductor.ts"),
    import("../../tiers/conductor/owners/alone.ts"),
  ]);
  const db = served.db ?? (await openDatabaseOf(config));
  // The same after each start, so that its nodes are its own again at once; no node is called so.
  const self = { id: uuidV5(config.node.id, "conductor"), name: config.node.name, version: await programVersion() };
  if (db.dialect === "sqlite") await expectAlone({ db, world }, self.id);
  const conductor = await createConductor({
    ...common(config, world),
    id: config.node.id,
    self,
    invite: (credential) => invitation(config, credential),
    leaseSeconds: config.lease,
    alarms: await alarmOptions(config.alarms),
    keep: config.keep,
    endpoint: config.endpoint,
    ...served,
    db,
  });
  return { ...closing(conductor, () => db.close()), db };
}

const programVersion = async () => (await import("../../../package.json", { with: { type: "json" } })).default.version;

const openDatabaseOf = async ({ db }: RoleConfig) => (await import("../../db/database.ts")).openDatabase(db);

/** A join token for this conductor. Throws SinewError where nobody could use it, naming the flag that would help. */
function invitation({ endpoint, certificateName, caHash }: RoleConfig, credential: string): string {
  const needs = (found: string) =>
    new SinewError(
      "invalid",
      `expected an address for agents to call in --endpoint, as this conductor listens on ${found}`,
    );
  if (endpoint.startsWith(":")) throw needs(`every address at port ${endpoint.slice(1)}`);
  if (endpoint.startsWith("unix:")) throw needs("a unix socket");
  const name = certificateName ?? new URL(endpoint).hostname;
  return formatJoinToken({ url: endpoint, ca: caHash, name, credential });
}

/** A conductor at the root, its agent below it and the agent's drivers: three tiers, one process, the same calls. */
async function allRole(given: RoleConfig, world: World): Promise<Tier> {
  const [db, { databaseTokens }] = await Promise.all([openDatabaseOf(given), import("../../db/queries/tokens.ts")]);
  // One set of tokens for all that this listener serves.
  const config = { ...given, auth: { ...given.auth, tokens: databaseTokens(db) } };
  // A socket's path can't be extended: in process any address will do that nobody else has.
  const base = `${config.endpoint.startsWith("unix:") ? "http://localhost" : config.endpoint}/agent`;
  // Each knows the other by its address; in between there is no network. The conductor is called only after start().
  let fleet: Awaited<ReturnType<typeof conductorRole>>;
  const upward = localPeer({ fetch: (request, env) => fleet.fetch(request, env) }, config.url, world);
  const agent = await agentRole(config, world, { basePath: "/agent", endpoint: base, conductor: upward });
  const toAgent = localFetch(agent, base);
  const inProcess: World["fetch"] = (url, init) => (url.startsWith(base) ? toAgent(url, init) : world.fetch(url, init));
  const mounts: Record<string, Tier> = { "/agent": agent };
  for (const driver of agent.drivers) mounts[`/drivers/${driver.name}`] = driver;
  let ready = false;
  let stopped = false;
  fleet = await conductorRole(config, { ...world, fetch: inProcess }, { db, mounts, ready: () => ready });

  /** Whether the conductor has taken in what the agent found just now, not in an earlier run. */
  async function firstScanServed(): Promise<boolean> {
    const { getNode } = await import("../../db/queries/nodes.ts");
    const tag = (
      await agent.fetch(new Request("http://localhost/hardware?limit=1"), { caller: IN_PROCESS })
    ).headers.get("etag");
    return tag === `W/"${(await getNode(fleet.db.read, config.node.id))?.generation}"`;
  }

  return {
    ...fleet,
    async start() {
      await fleet.start();
      await agent.start();
      while (!stopped && !(await firstScanServed())) await sleep(world, 10);
      ready = true;
    },
    async stop() {
      stopped = true;
      await agent.stop();
      await fleet.stop();
    },
  };
}
