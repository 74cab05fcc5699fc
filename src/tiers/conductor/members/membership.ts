import type { Caller, Visitor } from "../../../auth/caller.ts";
import type { Again } from "../../../client/link/call.ts";
import type { Peer } from "../../../client/peer.ts";
import type { Said } from "../../../contract/fleet/given.ts";
import type { Hello, Registered } from "../../../contract/hello.ts";
import { SinewError } from "../../../contract/problem.ts";
import { getNode, type NodeRow } from "../../../db/queries/nodes.ts";
import { uuidV5 } from "../../../pci/identity.ts";
import { agreeOnVersion, type Peers } from "../../greeting.ts";
import { type Fleet, isOwn, stateOf, type Tracked } from "../fleet.ts";
import { saysSame, shownOf } from "../given/shown.ts";
import { createClocks, shownClock } from "./clocks.ts";
import { secondBoot } from "./conflict.ts";
import { isCalled, refuseExpectedName, refuseOthersName } from "./names.ts";
import type { Roster } from "./roster.ts";
import type { Silence } from "./silence.ts";

/** Names agents that send no node id: by their endpoint, the same at each hello. */
const SEED_NAMESPACE = "8f5b54b0-6f0e-5d0c-9d07-52d1f0a2f9a1";

/**
 * Renews by the same words from the same caller without looking at them; "changed": but for another generation, so that its
 * hardware should be asked for. Null: they have to be looked at.
 */
export type Renew = (...said: Parameters<Again>) => "same" | "changed" | null;

/** Registers or renews. `changed` is the node when its hardware should be asked for. */
export type SayHello = (
  hello: Hello,
  from: Visitor,
) => Promise<{ answer: Registered; changed: Tracked | null; again: Renew | null }>;

/** A name is looked up anew after so long, though nothing else has changed. */
const RESOLVED_MS = 60_000;

export function createMembership(
  fleet: Fleet,
  roster: Roster,
  { peers, silence }: { peers: Peers; silence: Pick<Silence, "unwritten"> },
): SayHello {
  const { db, world, members, links, claims } = fleet;
  const clocks = createClocks(world);
  const now = () => world.now().toISOString();
  /** What is known of a node, by this conductor or by another one. */
  const rowOf = async (id: string): Promise<Tracked["row"] | NodeRow | null> =>
    members.get(id)?.row ?? (await getNode(db.read, id));

  /** Looked up anew by whoever asks: two first hellos at once are still one node. */
  function trackedOf(row: Tracked["row"], peer: Peer, stored: Tracked["row"] | NodeRow | null): Tracked {
    const known = members.get(row.id);
    if (known) return known;
    const tracked = roster.track(row, { peer, owner: null, stored: false });
    if (stored && "owner" in stored) roster.learn(tracked, stored);
    members.set(row.id, tracked);
    return tracked;
  }

  /** A good answer is a promise that the node is not given up: it takes that the others hear of it. */
  function refuseCutOff(tracked: Tracked) {
    const { presence } = fleet;
    if (!presence.cutOff && (isOwn(fleet, tracked) || !silence.unwritten)) return;
    throw new SinewError("unavailable", "this conductor does not reach its database", { retryAfter: 1 });
  }

  /** Which node says this, and how it is asked. Throws SinewError where it is not for this caller to say. */
  async function speaker(body: Hello, from: Visitor) {
    const { caller } = from;
    const said = body.node?.id.toLowerCase();
    if (caller.role === "agent") {
      const id = caller.node ?? "";
      if (said === id) return { id, peer: links.peer(id), endpoint: null };
      throw new SinewError("forbidden", `node.id: expected ${id}, whose key this link was opened with, got ${said}`);
    }
    if (caller.role === "join") await checkBound(caller, body);
    const peer = await peers.of(body, from);
    const id = said ?? uuidV5(SEED_NAMESPACE, `agent ${peer.endpoint}`);
    if (!(await rowOf(id))?.key) return { id, peer, endpoint: peer.endpoint };
    throw new SinewError(
      "forbidden",
      `node.id: node ${id} has joined with a key, and is heard over its own link alone`,
    );
  }

  /** A join token's holder says hello, in the seed's way, only as the node that the token is for. */
  async function checkBound({ node: bound = null, usedUp }: Caller, { node }: Hello): Promise<void> {
    if (usedUp) throw new SinewError("unauthorized", "this join token is used up");
    const id = node?.id.toLowerCase();
    if (bound !== null && id !== undefined) {
      if (bound.toLowerCase() === id) return;
      const named = (await rowOf(id)) ?? { id, name: node?.name ?? "" };
      if (await isCalled(db.read, named, bound)) return;
    }
    throw new SinewError("forbidden", `node: expected ${bound ?? "a token that is bound to one"}, got ${id ?? "none"}`);
  }

  return async (body, from) => {
    const { id, peer, endpoint } = await speaker(body, from);
    const known = members.get(id);
    const stored = await rowOf(id);
    const says: Said = { name: body.node?.name ?? body.name ?? peer.endpoint, labels: body.node?.labels ?? {} };
    const given = fleet.names.of(id);
    const shown = given ? shownOf(given, says) : says;
    const row: Tracked["row"] = {
      id,
      name: shown.name,
      state: body.status === "LEAVING" ? "LEFT" : "LIVE",
      labels: JSON.stringify(shown.labels),
      endpoint,
      last_seen: now(),
      api: body.api ? JSON.stringify(body.api) : null,
      generation: stored?.generation ?? null,
      boot_id: body.boot_id ?? null,
      // One that was only expected is seen for the first time.
      first_seen: stored === null || stored.last_seen === null ? now() : stored.first_seen,
      key: stored?.key ?? null,
      conditions: null,
    };
    if (row.name !== stored?.name) await refuseOthersName(db.read, row);
    if (from.caller.role === "agent" && stored !== null && row.name !== stored.name)
      await refuseExpectedName(db.read, { ...row, former: stored.name });
    const api = await agreed(body, row, { known, says });
    const tracked = trackedOf(row, peer, stored);
    tracked.peer = peer;
    const judged = clocks.judge(tracked, body.sent_at);
    // Conductors' clocks may differ, too: a node's is compared with its owner's alone, or each would write what it thinks.
    const lookAtClock = () => {
      const clock = isOwn(fleet, tracked) ? judged : shownClock(tracked);
      row.conditions = clock && JSON.stringify([clock]);
    };
    lookAtClock();
    refuseCutOff(tracked);
    const isNews = () =>
      !tracked.stored ||
      differs(tracked.row, row) ||
      body.generation === undefined ||
      body.generation !== (isOwn(fleet, tracked) ? tracked.etag : tracked.row.generation);
    // Another conductor may have heard the same before, and acted upon it.
    if (fleet.presence.shared && tracked.stored && !links.has(id) && (tracked.owner === null || isNews())) {
      await roster.refresh(tracked);
      lookAtClock();
    }
    await refuseSecond(tracked, body, from);
    // Who leaves ends it: nothing is in conflict with a node that is not there, and what comes back proves its key anew.
    if (row.state === "LEFT") tracked.conflict = null;
    if (tracked.conflict) Object.assign(row, { state: "CONFLICT", conditions: tracked.conflict.conditions });
    // A write that failed is made up for by the next hello, which says the same again.
    const other = given !== undefined && !saysSame(given.said, says);
    if (!tracked.stored || differs(tracked.row, row) || other) await roster.setState(tracked, row, { says });
    // It was heard, whatever it was before; and somebody may have wanted to be it meanwhile.
    if (tracked.conflict) tracked.conflict.apart = row.state === "LEFT" ? "LEFT" : "LIVE";
    // What has to be acted upon is for the one that heard it; the rest is only passed on, by the node's counter.
    if (!isOwn(fleet, tracked) && (isNews() || !fleet.presence.isThere(tracked.owner ?? "") || links.has(id)))
      await roster.take(tracked);
    roster.heard(tracked);
    if (row.state === "LEFT") tracked.cancel();
    const same = !isNews();
    const ttl = fleet.ttlMs(tracked);
    return {
      answer: { status: "REGISTERED", uuid: id, api, lease: { ttl_seconds: ttl / 1000 } },
      changed: same || row.state === "LEFT" ? null : tracked,
      again: row.state === "LIVE" ? renewal(tracked, body, from, ttl) : null,
    };
  };

  /** Good for as long as nothing is known of the node but what its hello said, and what it said was pulled. */
  function renewal(tracked: Tracked, body: Hello, from: Visitor, ttl: number): Renew {
    const { row, peer } = tracked;
    let { generation } = body;
    const linked = from.caller.role === "agent";
    const until = linked ? Number.POSITIVE_INFINITY : world.monotonic() + RESOLVED_MS;
    const claimant = linked || body.boot_id === undefined ? null : { boot: body.boot_id, from: placeOf(body, from) };
    /** Whether this conductor may promise that others know of it, too. */
    const told = () => {
      const { presence } = fleet;
      if (presence.cutOff) return false;
      if (isOwn(fleet, tracked)) return tracked.etag === generation;
      return tracked.row.generation === generation && presence.isThere(tracked.owner ?? "") && !silence.unwritten;
    };
    return (differs) => {
      if (fleet.stopped || members.get(row.id) !== tracked || tracked.row !== row || tracked.peer !== peer) return null;
      if (row.state !== "LIVE" || tracked.conflict || generation === undefined) return null;
      const next = differs ? otherGeneration(differs, generation) : generation;
      const changed = next !== generation;
      // Another's changes are for it to hear the long way.
      if (next === null || (changed ? fleet.presence.cutOff || !isOwn(fleet, tracked) : !told())) return null;
      if (fleet.ttlMs(tracked) !== ttl || world.monotonic() > until) return null;
      if (!isOwn(fleet, tracked) && links.has(row.id)) return null;
      if (claimant && claims.claim(row.id, claimant)) return null;
      roster.heard(tracked);
      generation = next;
      return next === tracked.etag ? "same" : "changed";
    };
  }

  /** Two machines that say to be one node are both refused: neither's hardware can be told from the other's. */
  async function refuseSecond(tracked: Tracked, body: Hello, { caller, remoteAddress }: Visitor) {
    // The key's holder has been checked when its link was opened.
    if (caller.role === "agent" || body.status === "LEAVING" || body.boot_id === undefined) return;
    const place = placeOf(body, { caller, remoteAddress });
    const second = await secondBoot(fleet, roster, tracked, { boot: body.boot_id, from: place });
    if (second) throw new SinewError("node_conflict", second.message);
  }

  /** The version to speak; a node that speaks none of ours is shown as INCOMPATIBLE before it is refused. */
  async function agreed(
    body: Hello,
    row: Tracked["row"],
    { known, says }: { known: Tracked | undefined; says: Said },
  ): Promise<string> {
    try {
      return agreeOnVersion(body);
    } catch (error) {
      const tracked = known ?? trackedOf(row, peers.again(row.endpoint ?? "http://link"), await rowOf(row.id));
      if (stateOf(tracked) !== "INCOMPATIBLE" || !tracked.stored)
        await roster.setState(tracked, { ...row, state: "INCOMPATIBLE" }, { says });
      throw error;
    }
  }
}

const decoder = new TextDecoder("latin1");

/**
 * The generation of a hello that is the one before it but for that. Null: more is different, or it cannot be told from the
 * texts. Without escapes, so that what is between its quotes is all of it.
 */
export function otherGeneration(texts: { before: Uint8Array; now: Uint8Array }, generation: string): string | null {
  const [before, now] = [decoder.decode(texts.before), decoder.decode(texts.now)];
  // With escapes a name has other spellings.
  if (before.includes("\\")) return null;
  const member = `"generation":"${generation}"`;
  const at = before.indexOf(member);
  // Once: a label may be called so, too.
  if (at < 0 || before.indexOf('"generation"') !== at || before.lastIndexOf('"generation"') !== at) return null;
  const rest = before.slice(at + member.length);
  if (!now.startsWith(before.slice(0, at)) || !now.endsWith(rest)) return null;
  return /^"generation":"([\w.:-]{1,128})"$/.exec(now.slice(at, now.length - rest.length))?.[1] ?? null;
}

/** Where a claimant of a node calls from, and where it says it answers. */
const placeOf = ({ endpoint }: Hello, { remoteAddress }: Visitor) => `${remoteAddress ?? "a unix socket"}, ${endpoint}`;

/** Whether a hello says anything that the row does not hold yet. */
const differs = (a: Tracked["row"], b: Tracked["row"]) =>
  a.name !== b.name ||
  a.state !== b.state ||
  a.labels !== b.labels ||
  a.endpoint !== b.endpoint ||
  a.api !== b.api ||
  a.boot_id !== b.boot_id ||
  a.conditions !== b.conditions;
