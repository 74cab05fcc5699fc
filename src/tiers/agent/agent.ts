import type { Visitor } from "../../auth/caller.ts";
import { PeerError } from "../../client/peer.ts";
import type { Limits } from "../../client/wrangle.ts";
import type { Hardware, HardwareList } from "../../contract/hardware.ts";
import type { Hello, Registered } from "../../contract/hello.ts";
import type { Operation } from "../../contract/operation.ts";
import { SinewError } from "../../contract/problem.ts";
import { API_RANGE } from "../../contract/version.ts";
import { uuidV5 } from "../../pci/identity.ts";
import { keepKnown, markDuplicates } from "../adopt.ts";
import type { Care } from "../care/care.ts";
import { coalesce } from "../coalesce.ts";
import { agreeOnVersion, createPeers, nameBeside } from "../greeting.ts";
import { createInventory } from "../inventory.ts";
import { leaseSeconds } from "../lease.ts";
import { createOperations } from "../operations/operations.ts";
import { createUpward } from "../upward.ts";
import { cutToRoom } from "./bounds.ts";
import { agentCare, nodeUuid } from "./care.ts";
import { type Child, type ChildContext, discoverChild, failChild, pullChild } from "./child.ts";
import type { Known } from "./identity.ts";
import type { AgentOptions } from "./options.ts";
import { OWN, ownerOf } from "./owner.ts";
import { type AgentState, loadAgentState } from "./state.ts";

/** What one driver may cost its agent. A device is 1 to 2 kB of JSON. */
export const DRIVER_LIMITS: Limits = {
  devices: 10_000,
  bySource: false,
  bytes: 16 * 2 ** 20,
  deadlineMs: 10_000,
  discoveryMs: 60_000,
};
const REMOTE_DRIVERS = 64;

/** One node: wrangles its drivers and answers for them all. */
export interface Agent {
  readonly node: Hardware["node"];
  readonly ready: boolean;
  readonly care: Care;
  generation(): string;
  list(): string;
  page(limit: number, token: string | undefined): HardwareList;
  /** All rows with this uuid: two where two sources report it. */
  devices(uuid: string): Hardware[];
  /** The node's uuid of a device, which is another than its driver's where a card has moved. */
  nodeUuid(driver: string, driverUuid: string): string;
  hello(hello: Hello, from: Visitor): Promise<Registered>;
  /** Says hello now: the way to the conductor is open again. */
  announce(): void;
  /** Asks one driver again, after it said that it changed. */
  refresh(name: string): void;
  startDiscovery(): Operation;
  operation(uuid: string, waitMs: number): Promise<Operation | null>;
  start(): Promise<void>;
  stop(): Promise<void>;
}

export async function createAgentTier(options: AgentOptions): Promise<Agent> {
  const { node, world, store, endpoint } = options;
  const state = await loadAgentState(store, world.log);
  const memory = new Map<string, Known>(state.known.map((known) => [`${known.source} ${known.uuid}`, known]));
  const context: ChildContext = { node, world, memory, limits: { ...DRIVER_LIMITS, ...options.limits } };
  const peers = createPeers(options, world, "agent");
  const children = new Map<string, Child>();
  const timers = new Map<string, () => void>();
  let ready = false;
  let stopped = false;

  const addChild = (child: Omit<Child, "source" | "devices" | "uuids" | "generation">): Child => {
    const stored = state.sources.find(({ name }) => name === child.name);
    const added: Child = {
      ...child,
      source: stored
        ? { ...stored, type: child.type, endpoint: child.peer.endpoint }
        : {
            name: child.name,
            type: child.type,
            endpoint: child.peer.endpoint,
            status: "NEVER",
            observed_at: null,
            count: 0,
            error: null,
          },
      devices: state.devices.filter(({ source }) => source === child.name),
      uuids: new Map(),
      generation: null,
    };
    children.set(added.name, added);
    return added;
  };
  for (const { name, type, peer } of options.drivers) {
    addChild({ name, type, peer, builtIn: true, seed: false, left: false, owner: OWN });
  }
  for (const { endpoint: stored, ...driver } of state.drivers) {
    const peer = peers.again(stored, { local: driver.owner === OWN });
    if (!children.has(driver.name)) addChild({ ...driver, peer, builtIn: false });
  }

  const merged = () => {
    const devices = [...children.values()].flatMap((child) => child.devices);
    const before = new Map(inventory.hardware.map((device) => [`${device.source} ${device.uuid}`, device]));
    return {
      hardware: markDuplicates(devices, world.now().toISOString()).map((device) =>
        keepKnown(device, before.get(`${device.source} ${device.uuid}`)),
      ),
      sources: [...children.values()].map(({ source }) => source),
    };
  };
  const inventory = await createInventory({ hardware: state.devices, sources: state.sources });
  const operations = createOperations(world);
  const upward =
    options.conductor &&
    createUpward({
      peer: options.conductor,
      world,
      hello: () => ({
        status: "READY",
        endpoint: endpoint ?? "",
        name: node.name,
        node: { id: node.id, name: node.name, labels: options.labels },
        api: API_RANGE,
        generation: inventory.generation,
        boot_id: options.bootId,
      }),
    });

  const save = () =>
    store.save({
      version: 1,
      drivers: [...children.values()]
        .filter(({ builtIn }) => !builtIn)
        .map(({ name, type, peer, seed, left, owner }) => ({ name, type, endpoint: peer.endpoint, seed, left, owner })),
      devices: [...inventory.hardware],
      sources: [...inventory.sources],
      known: [...memory.values()],
    } satisfies AgentState);

  async function publish() {
    if (!(await inventory.replace(merged()))) return;
    if (ready) upward?.announce();
    // What can't be stored is still served: the next start will know less, which is better than ending now.
    await save().catch((error) => world.log("error", "the state could not be stored", { error: String(error) }));
  }

  /** A node's report must stay one that a conductor takes: the driver that goes over the bound fails, no other. */
  function bound(child: Child) {
    const message = cutToRoom(child, children.values());
    if (message !== null) failChild(child, { code: "invalid", message });
  }

  const pull = coalesce(async (child: Child) => {
    try {
      await pullChild(child, context);
      bound(child);
    } catch (error) {
      // Nobody waits for most pulls: what is not a peer's fault must not end the process either.
      const level = error instanceof PeerError ? "warn" : "error";
      world.log(level, "a driver did not answer", { driver: child.name, error: String(error) });
    }
    await publish();
    watch(child);
  });

  const ttl = () => leaseSeconds(children.size, options.leaseSeconds ?? null);

  /** A seed driver is polled; any other is asked only when its lease ran out. */
  function watch(child: Child) {
    timers.get(child.name)?.();
    if (child.builtIn || child.left || stopped) return;
    const ms = child.seed || child.source.error ? (ttl() * 1000) / 3 : ttl() * 1000;
    timers.set(
      child.name,
      world.timer(ms * (0.75 + 0.25 * world.random()), () => void pull(child)),
    );
  }

  async function discover(child: Child) {
    try {
      const found = await discoverChild(child, context);
      bound(child);
      return found;
    } finally {
      await publish();
      watch(child);
    }
  }

  /** The driver a hello is about: by name, without one by endpoint. A built-in driver's name is not given away. */
  function nameOf(hello: Hello, { caller }: Visitor, endpointText: string): string {
    if (hello.name === undefined && caller.driver) return caller.driver;
    if (hello.name === undefined) {
      const known = [...children.values()].find((child) => !child.builtIn && child.peer.endpoint === endpointText);
      return known?.name ?? endpointText;
    }
    return children.get(hello.name)?.builtIn ? nameBeside(hello.name, endpointText) : hello.name;
  }

  async function hello(body: Hello, from: Visitor): Promise<Registered> {
    const api = agreeOnVersion(body);
    const peer = await peers.of(body, from);
    const name = nameOf(body, from, peer.endpoint);
    const known = children.get(name);
    const owner = ownerOf(from.caller, name, known?.owner);
    const left = body.status === "LEAVING";
    const seed = body.api === undefined;
    if (!known && children.size - options.drivers.length >= REMOTE_DRIVERS) {
      const gone = [...children.values()].find((child) => child.left);
      if (!gone) throw new SinewError("busy", `expected at most ${REMOTE_DRIVERS} drivers on one node`);
      children.delete(gone.name);
    }
    const child = known ?? addChild({ name, type: body.type ?? null, peer, builtIn: false, seed, left, owner });
    const changed =
      !known ||
      child.owner !== owner ||
      child.peer.endpoint !== peer.endpoint ||
      child.left !== left ||
      child.seed !== seed;
    child.peer = peer;
    child.seed = seed;
    child.left = left;
    child.owner = owner;
    child.type = body.type ?? child.type;
    child.source = { ...child.source, type: child.type, endpoint: peer.endpoint };
    if (left) {
      failChild(child, { code: "unreachable", message: `the driver said LEAVING at ${world.now().toISOString()}` });
      await publish();
    }
    // Answered only when it is stored: a registration survives whatever happens next.
    if (changed) {
      await save().catch((cause) => {
        throw new SinewError("unavailable", "the registration could not be stored", { cause });
      });
    }
    if (left || (!changed && body.generation !== undefined && body.generation === child.generation)) watch(child);
    else void pull(child);
    return {
      status: "REGISTERED",
      uuid: uuidV5(node.id, `driver ${name}`),
      api,
      lease: { ttl_seconds: ttl() },
    };
  }

  const devices = (uuid: string) => inventory.hardware.filter((device) => device.uuid === uuid);
  const startDiscovery = () =>
    operations.start("discovery", async () =>
      [...children.values()]
        .filter(({ left }) => !left)
        .map((child) => ({ name: child.name, endpoint: child.peer.endpoint, run: () => discover(child) })),
    );

  return {
    node,
    get ready() {
      return ready;
    },
    generation: () => inventory.generation,
    list: () => inventory.text(),
    page: (limit, token) => inventory.page(limit, token),
    devices,
    care: agentCare({ context, devices, children, operations, world, remoteSetup: options.remoteSetup ?? "plan" }),
    nodeUuid: (driver, driverUuid) => nodeUuid(children.get(driver), driverUuid),
    hello,
    announce: () => upward?.announce(),
    refresh(name) {
      const child = children.get(name);
      // Before the first scan everything is asked anyway.
      if (child && ready) void pull(child);
    },
    startDiscovery,
    operation: (uuid, waitMs) => operations.wait(uuid, waitMs),
    async start() {
      // The built-in drivers are there before this agent answers for them, so the first hello tells the whole truth.
      await Promise.all(options.drivers.map((driver) => driver.start()));
      await Promise.all([...children.values()].filter(({ left }) => !left).map(pull));
      ready = true;
      upward?.start();
    },
    async stop() {
      stopped = true;
      for (const cancel of timers.values()) cancel();
      await upward?.leave();
      await Promise.all(options.drivers.map((driver) => driver.stop()));
    },
  };
}
