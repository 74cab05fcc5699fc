import type { Peer } from "../../client/peer.ts";
import type { Hello, Registered } from "../../contract/hello.ts";
import type { NodeState } from "../../contract/node.ts";
import { allNodes, touchNodes } from "../../db/nodes.ts";
import { uuidV5 } from "../../pci/identity.ts";
import { agreeOnVersion, type Peers } from "../greeting.ts";
import { expired, type Fleet, isCurrent, stateOf, type Tracked } from "./fleet.ts";
import { writeState } from "./write.ts";

const FLUSH_MS = 1_000;
/** Names agents that send no node id: by their endpoint, the same at each hello. */
const SEED_NAMESPACE = "8f5b54b0-6f0e-5d0c-9d07-52d1f0a2f9a1";

/** Who is in the fleet and who has fallen silent. */
export interface Membership {
  /** Takes the stored nodes in, each with a fresh lease, and begins to count silence. */
  start(): Promise<void>;
  stop(): Promise<void>;
  /** Registers or renews; `changed` is the node when its hardware should be asked for. */
  hello(hello: Hello, remoteAddress: string | null): Promise<{ answer: Registered; changed: Tracked | null }>;
  /** A sign of life. */
  renew(tracked: Tracked): Promise<void>;
}

export function createMembership(fleet: Fleet, peers: Peers): Membership {
  const { db, world, members } = fleet;
  const heardSinceFlush = new Set<Tracked>();
  let cancelTick = () => {};
  let lastTick = 0;
  const now = () => world.now().toISOString();

  const track = (row: Tracked["row"], peer: Peer, stored = false): Tracked => ({
    row,
    stored,
    peer,
    // A conductor that was away knows nothing of who was silent: everyone gets a fresh lease.
    heard: world.monotonic(),
    // The devices' freshness may be older than the stored generation: the first pull asks for all.
    etag: null,
    failures: 0,
    pulling: null,
    again: false,
    cancel: () => {},
  });

  async function setState(tracked: Tracked, row: Tracked["row"]) {
    const stale = !isCurrent(row.state as NodeState) && isCurrent(stateOf(tracked));
    await writeState(db, row, { now: now(), devices: stale ? "stale" : "keep" });
    tracked.stored = true;
    // A report may have been taken in meanwhile: its generation stays.
    tracked.row = { ...row, generation: tracked.row.generation };
  }

  async function renew(tracked: Tracked) {
    tracked.heard = world.monotonic();
    tracked.row.last_seen = now();
    heardSinceFlush.add(tracked);
    if (stateOf(tracked) === "LIVE") return;
    // Its devices were shown as old: ask for all of them again.
    if (stateOf(tracked) !== "LATE") tracked.etag = null;
    await setState(tracked, { ...tracked.row, state: "LIVE" });
  }

  async function hello(
    body: Hello,
    remoteAddress: string | null,
  ): Promise<{ answer: Registered; changed: Tracked | null }> {
    const peer = await peers.of(body, remoteAddress);
    const id = body.node?.id.toLowerCase() ?? uuidV5(SEED_NAMESPACE, `agent ${peer.endpoint}`);
    const known = members.get(id);
    const row: Tracked["row"] = {
      id,
      name: body.node?.name ?? body.name ?? peer.endpoint,
      state: body.status === "LEAVING" ? "LEFT" : "LIVE",
      labels: JSON.stringify(body.node?.labels ?? {}),
      endpoint: peer.endpoint,
      last_seen: now(),
      api: body.api ? JSON.stringify(body.api) : null,
      generation: known?.row.generation ?? null,
      boot_id: body.boot_id ?? null,
      first_seen: known?.row.first_seen ?? now(),
    };
    const api = await agreed(body, row, known ?? track(row, peer));
    // Looked up anew: two first hellos at once are still one node.
    const tracked = members.get(id) ?? track(row, peer);
    members.set(id, tracked);
    // Its name may have a new address.
    tracked.peer = peer;
    // A write that failed is made up for by the next hello, which says the same again.
    if (!tracked.stored || differs(tracked.row, row)) {
      if (!isCurrent(stateOf(tracked))) tracked.etag = null;
      await setState(tracked, row);
    }
    tracked.row.last_seen = row.last_seen;
    tracked.heard = world.monotonic();
    heardSinceFlush.add(tracked);
    if (row.state === "LEFT") tracked.cancel();
    const same = body.generation !== undefined && body.generation === tracked.etag;
    return {
      answer: { status: "REGISTERED", uuid: id, api, lease: { ttl_seconds: fleet.ttlMs() / 1000 } },
      changed: same || row.state === "LEFT" ? null : tracked,
    };
  }

  /** The version to speak; a node that speaks none of ours is shown as INCOMPATIBLE before it is refused. */
  async function agreed(body: Hello, row: Tracked["row"], tracked: Tracked): Promise<string> {
    try {
      return agreeOnVersion(body);
    } catch (error) {
      members.set(row.id, tracked);
      if (stateOf(tracked) !== "INCOMPATIBLE" || !tracked.stored)
        await setState(tracked, { ...row, state: "INCOMPATIBLE" });
      throw error;
    }
  }

  async function expire() {
    const time = world.monotonic();
    // After a suspend this timer runs before the hellos that wait in the socket: silence was ours, not theirs.
    const paused = time - lastTick > fleet.ttlMs() / 2;
    lastTick = time;
    for (const tracked of members.values()) {
      if (paused) tracked.heard = time;
      const state = expired(tracked, time, fleet.ttlMs());
      if (!state) continue;
      world.log("warn", `node ${tracked.row.name} is ${state}`, { node: tracked.row.id });
      await setState(tracked, { ...tracked.row, state });
      // It may have been heard while its silence was written down.
      if (tracked.heard > time) await renew(tracked);
    }
  }

  async function flush() {
    const batch = [...heardSinceFlush].map(({ row }) => ({ id: row.id, last_seen: row.last_seen ?? now() }));
    heardSinceFlush.clear();
    if (batch.length > 0) await db.write((tx) => touchNodes(tx, batch));
  }

  async function tick() {
    try {
      await expire();
      await flush();
    } catch (error) {
      world.log("error", "leases could not be written", { error: String(error) });
    }
    if (!fleet.stopped) cancelTick = world.timer(Math.min(FLUSH_MS, fleet.ttlMs() / 6), () => void tick());
  }

  return {
    async start() {
      for (const { revision: _, ...row } of await allNodes(db.read)) {
        if (row.endpoint !== null) members.set(row.id, track(row, peers.again(row.endpoint), true));
      }
      lastTick = world.monotonic();
      void tick();
    },
    async stop() {
      cancelTick();
      await flush().catch((error) => world.log("error", "leases could not be written", { error: String(error) }));
    },
    hello,
    renew,
  };
}

/** Whether a hello says anything that the row does not hold yet. */
const differs = (a: Tracked["row"], b: Tracked["row"]) =>
  a.name !== b.name ||
  a.state !== b.state ||
  a.labels !== b.labels ||
  a.endpoint !== b.endpoint ||
  a.api !== b.api ||
  a.boot_id !== b.boot_id;
