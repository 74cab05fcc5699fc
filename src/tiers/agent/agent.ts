import type { Visitor } from "../../auth/caller.ts";
import { PeerError } from "../../client/peer.ts";
import type { Limits } from "../../client/wrangle.ts";
import type { Hardware, HardwareList } from "../../contract/hardware.ts";
import type { Hello, Registered } from "../../contract/hello.ts";
import type { Operation } from "../../contract/operation.ts";
import { API_RANGE } from "../../contract/version.ts";
import { keepKnown, markDuplicates } from "../adopt.ts";
import type { Care } from "../care/care.ts";
import { coalesce } from "../coalesce.ts";
import { createPeers } from "../greeting.ts";
import { createInventory } from "../inventory.ts";
import { leaseSeconds } from "../lease.ts";
import { measured } from "../operations/measured.ts";
import { createOperations } from "../operations/operations.ts";
import { createUpward } from "../upward.ts";
import { cutToRoom } from "./bounds.ts";
import { agentCare, nodeUuid } from "./care.ts";
import { type Child, type ChildContext, discoverChild, failChild, pullChild } from "./child.ts";
import type { Seen } from "./expected/expectation.ts";
import { type ExpectedHardware, keepExpected } from "./expected/keeper.ts";
import type { Known } from "./identity.ts";
import type { AgentOptions } from "./options.ts";
import { OWN } from "./owner.ts";
import { createRegister, type NewChild } from "./register.ts";
import { type AgentState, loadAgentState } from "./state.ts";

/** What one driver may cost its agent. A device is 1 to 2 kB of JSON. */
export const DRIVER_LIMITS: Limits = {
  devices: 10_000,
  bySource: false,
  bytes: 16 * 2 ** 20,
  deadlineMs: 10_000,
  discoveryMs: 60_000,
};

/** One node: wrangles its drivers and answers for them all. */
export interface Agent {
  readonly node: Hardware["node"];
  readonly ready: boolean;
  readonly care: Care;
  readonly expected: ExpectedHardware;
  generation(): string;
  list(): string;
  page(limit: number, token: string | undefined): HardwareList;
  /** All rows with this uuid: two where two sources report it. */
  devices(uuid: string): Hardware[];
  /** The node's uuid of a device, which is another than its driver's where a card has moved; null before its driver answered. */
  nodeUuid(driver: string, driverUuid: string): string | null;
  hello(hello: Hello, from: Visitor): Promise<Registered>;
  /** Says hello now: the way to the conductor is open again. */
  announce(): void;
  /** Asks one driver again, after it said that it changed. */
  refresh(name: string): void;
  /** One driver has looked, and all of it is as it said before. */
  seen(name: string): void;
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
  /** The first answers are on their way: what changes from now on may not be in them. */
  let asked = false;
  let stopped = false;

  const addChild = (child: NewChild): Child => {
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
      seen: null,
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

  const lastSeen: Seen["lastSeen"] = (source, uuid) => memory.get(`${source} ${uuid}`)?.last_seen ?? null;
  const merged = () => {
    const devices = [...children.values()].flatMap((child) => child.devices);
    const before = new Map(inventory.hardware.map((device) => [`${device.source} ${device.uuid}`, device]));
    const hardware = markDuplicates(devices, world.now().toISOString()).map((device) =>
      keepKnown(device, before.get(`${device.source} ${device.uuid}`)),
    );
    const sources = [...children.values()].map(({ source }) => source);
    // Before everyone was asked nothing new is known of what should be here.
    const conditions = ready ? expected.conditions({ devices: hardware, sources, lastSeen }) : remembered;
    return { hardware, sources, conditions };
  };
  const remembered = state.expected?.condition ? [state.expected.condition] : [];
  const inventory = await createInventory({
    hardware: state.devices,
    sources: state.sources,
    conditions: remembered,
  });
  const expected = keepExpected(state.expected, {
    world,
    seen: () => ({ devices: inventory.hardware, sources: inventory.sources, lastSeen }),
    async store() {
      await show();
      await save();
    },
  });
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

  const save = () => {
    const present = new Set(
      [...children.values()].flatMap(({ name, devices }) =>
        devices.flatMap(({ uuid, freshness }) => (freshness === "FRESH" ? [`${name} ${uuid}`] : [])),
      ),
    );
    return store.save({
      version: 1,
      drivers: [...children.values()]
        .filter(({ builtIn }) => !builtIn)
        .map(({ name, type, peer, seed, left, owner }) => ({ name, type, endpoint: peer.endpoint, seed, left, owner })),
      devices: [...inventory.hardware],
      sources: [...inventory.sources],
      // Of what is there the last sight is kept in memory alone, until there is something to store.
      known: [...memory].map(([key, known]) => {
        const last = present.has(key) ? children.get(known.source)?.seen : null;
        return last ? { ...known, last_seen: last } : known;
      }),
      expected: expected.kept,
    } satisfies AgentState);
  };

  const unsaved = (error: unknown) => world.log("error", "the state could not be stored", { error: String(error) });

  /** Whether anything of it is new. */
  async function show(): Promise<boolean> {
    if (!(await inventory.replace(merged()))) return false;
    if (ready) upward?.announce();
    return true;
  }

  async function publish() {
    if (!(await show())) return;
    // What can't be stored is still served: the next start will know less, which is better than ending now.
    await save().catch(unsaved);
  }

  /** A node's report must stay one that a conductor takes: the driver that goes over the bound fails, no other. */
  function bound(child: Child) {
    const message = cutToRoom(child, children.values());
    if (message !== null) failChild(child, { code: "invalid", message });
  }

  /** One that answers may say all the same that it failed. */
  const counted = <T>(kind: "pull" | "discovery", child: Child, work: () => Promise<T>) =>
    measured(world, { kind, source: child.name }, work, () => child.source.error?.code ?? null);

  const pull = coalesce(async (child: Child) => {
    try {
      await counted("pull", child, () => pullChild(child, context));
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
      const found = await counted("discovery", child, () => discoverChild(child, context));
      bound(child);
      return found;
    } finally {
      await publish();
      watch(child);
    }
  }

  const hello = createRegister({ context, peers, children, addChild, save, publish, pull, watch, ttl });

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
    expected,
    hello,
    announce: () => upward?.announce(),
    refresh(name) {
      const child = children.get(name);
      // Before the first scan everything is asked anyway.
      if (child && asked) void pull(child);
    },
    seen(name) {
      const child = children.get(name);
      // Given up for a discovery that took too long: it is asked again now, as nothing has changed that would tell of it.
      if (child?.source.error && asked) void pull(child);
      else if (child?.seen) child.seen = world.now().toISOString();
    },
    startDiscovery,
    operation: (uuid, waitMs) => operations.wait(uuid, waitMs),
    async start() {
      // The built-in drivers are there before this agent answers for them, so the first hello tells the whole truth.
      await Promise.all(options.drivers.map((driver) => driver.start()));
      asked = true;
      await Promise.all([...children.values()].filter(({ left }) => !left).map(pull));
      ready = true;
      await publish();
      upward?.start();
    },
    async stop() {
      stopped = true;
      for (const cancel of timers.values()) cancel();
      await upward?.leave();
      await Promise.all(options.drivers.map((driver) => driver.stop()));
      // When its devices were last seen is told by the next run.
      if (expected.kept) await save().catch(unsaved);
    },
  };
}
