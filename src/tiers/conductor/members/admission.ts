import { addressKey, createAttempts } from "../../../auth/attempts.ts";
import type { Caller, Visitor } from "../../../auth/caller.ts";
import { verifyProof } from "../../../auth/node-key.ts";
import type { TokenStore } from "../../../auth/token.ts";
import { acceptLink, refuseLink } from "../../../client/link/handshake.ts";
import type { Socket } from "../../../client/link/socket.ts";
import type { Join, Joined } from "../../../contract/access/join.ts";
import type { NodeState } from "../../../contract/node.ts";
import { SinewError } from "../../../contract/problem.ts";
import { forgetKey, nodeByKey } from "../../../db/queries/keys.ts";
import { findNode, getNode, type NodeRow } from "../../../db/queries/nodes.ts";
import { sleep } from "../../../world.ts";
import type { RequestEnv } from "../../tier.ts";
import { forget } from "../expected/unseen.ts";
import { type Fleet, isCurrent, isOwn, type Tracked } from "../fleet.ts";
import { writeState } from "../inventory/write.ts";
import { conflictMs, secondBoot, twoKeys } from "./conflict.ts";
import { createKeys } from "./keys.ts";
import { isCalled, newcomer, refuseOthersName, setOwnKey } from "./names.ts";
import type { Roster } from "./roster.ts";
import { createTurns } from "./turns.ts";

/** How long a node is shown in conflict after somebody with a token tried to be it. */
const TWO_KEYS_MS = 600_000;
/** Links of one address that have not proved a key yet: each may hold one message. */
const UNPROVED = 256;
/** When to come again where too many are being opened, in seconds; diallers spread over all of it. */
const AGAIN_S = 10;

/** Who becomes a node, and which machine is which: keys and the links they open. */
export interface Admission {
  /** Throws SinewError node_conflict where the node has another key. */
  join(join: Join, from: Visitor): Promise<Joined>;
  /** Takes the socket of an agent, once it has proved its key. */
  accept(socket: Socket): void;
  /** Forgets a node's key. False: there is no such node, or several of that name. */
  rekey(node: string): Promise<boolean>;
  /** Begins to look for keys and nodes that another conductor has set or forgotten, whose links it closes here. */
  start(): void;
  /** Looks now. */
  check(): Promise<void>;
  stop(): void;
}

/** Whose a link is, once it is proved: each link keeps it. */
interface Proved {
  id: string;
  /** Thumbprint of its key. */
  key: string;
  caller: Caller;
}

const provedAs = ({ id, name }: Tracked["row"], key: string): Proved => ({
  ...{ id, key },
  caller: { role: "agent", name: `node ${id} (${name})`, node: id },
});

interface AdmissionOptions {
  /** This conductor, as proofs are made for it. */
  id: string;
  tokens: TokenStore;
  /** Hears of links that were refused. */
  onRefused: (refusal: { from: string | null; error: SinewError }) => void;
  /** Answers what comes over a link. */
  fetch: (request: Request, env: RequestEnv) => Promise<Response> | Response;
}

export function createAdmission(
  fleet: Fleet,
  roster: Roster,
  { id: own, tokens, fetch, onRefused }: AdmissionOptions,
): Admission {
  const { db, world, members, links, claims } = fleet;
  const now = () => world.now().toISOString();
  const attempts = createAttempts(world.monotonic);
  const unproved = new Map<string, number>();
  const turns = createTurns(world);
  const keys = createKeys(fleet);

  const trackedOf = (row: NodeRow): Tracked => {
    const known = members.get(row.id);
    if (known) return known;
    const { revision: _, reported: __, owner: ___, renewals: ____, ...facts } = row;
    const tracked = roster.track(facts, { peer: links.peer(row.id), owner: null, stored: true });
    roster.learn(tracked, row);
    members.set(row.id, tracked);
    return tracked;
  };

  async function join({ node, proof }: Join, { caller, remoteAddress }: Visitor): Promise<Joined> {
    const id = node.id.toLowerCase();
    const token = caller.token ?? "";
    const { thumbprint, sub } = await verifyProof(proof, { aud: `join ${token}`, nonce: "join" });
    if (sub !== id) throw new SinewError("unauthorized", `the proof is of node ${sub}, the request is for ${id}`);
    await refuseCopy(id, thumbprint);
    const joined: Joined = { status: "JOINED", conductor: own, key: thumbprint };
    const known = await getNode(db.read, id);
    if (
      caller.node &&
      caller.node.toLowerCase() !== id &&
      !(await isCalled(db.read, known ?? { id, name: node.name }, caller.node))
    ) {
      const name = known?.name ?? node.name;
      throw new SinewError("forbidden", `this token is for node ${caller.node}, got node ${id} (${name})`);
    }
    if (known?.key === thumbprint) return joined;
    const usedUp = () => new SinewError("unauthorized", "this join token is used up or revoked");
    // Not even to say that two keys claim to be a node.
    if (caller.usedUp) throw usedUp();
    if (known?.key && !(await mayReplace(known, caller.node ?? null, token))) {
      const condition = twoKeys(known, { key: thumbprint, from: remoteAddress ?? "this host" }, now());
      const tracked = trackedOf(known);
      // Another conductor may have heard it since this one did.
      if (!isOwn(fleet, tracked)) await roster.refresh(tracked);
      await roster.contest(tracked, condition, { forMs: TWO_KEYS_MS, blocks: false });
      throw new SinewError("node_conflict", `${condition.message}; ${condition.action}`);
    }
    if (!known?.key) await refuseOthersName(db.read, { id, name: node.name });
    if (!(await tokens.use(token))) throw usedUp();
    await admit({ id, name: node.name, key: thumbprint }, known);
    return joined;
  }

  async function refuseCopy(id: string, key: string) {
    const holder = await nodeByKey(db.read, key);
    if (!holder || holder.id === id) return;
    const detail = `this key is that of node ${holder.id} (${holder.name}): is this a copy of it?`;
    throw new SinewError("node_conflict", detail);
  }

  /** A netbooted machine has a new key after each start: its reusable token, bound to it, is what it is known by. */
  async function mayReplace(known: NodeRow, boundTo: string | null, tokenId: string): Promise<boolean> {
    if (boundTo === null || links.has(known.id)) return false;
    const token = await tokens.find(tokenId);
    // A link at another conductor is not seen from here; its node is heard, though.
    const states = [known.state as NodeState, members.get(known.id)?.conflict?.apart]; // written from a NodeState only
    // Apart from a conflict, too: who only claims to be it must not keep it out.
    return token?.uses_left === null && states.some((state) => state !== undefined && !isCurrent(state));
  }

  async function admit({ id, name, key }: { id: string; name: string; key: string }, known: NodeRow | null) {
    // Another may be called by now as one was whose key had been forgotten.
    if (!known || (known.key === null && known.name !== name)) {
      const row = { ...(known ?? newcomer(id, now())), name };
      const says = { name, labels: JSON.parse(row.labels) };
      const rest = () => sleep(world, 0);
      const options = { now: now(), devices: "keep", owner: fleet.presence.id, says, rest } as const;
      const written = await writeState(db, row, options);
      if (written) fleet.names.learn(id, written.given);
    }
    // Where two machines do this at the same time the one that commits first is the node.
    const first = await db
      .write((tx) => setOwnKey(tx, { id, name, before: known?.key ?? null, key }))
      .catch(async (error) => {
        // It is not to be waited for either.
        if (!known && error instanceof SinewError) await db.write((tx) => forget(tx, [id], now()));
        // A key is one node's, by a unique index.
        await refuseCopy(id, key);
        throw error;
      });
    if (!first) throw new SinewError("node_conflict", `another machine has joined as node ${id} at this moment`);
    claims.forget(id);
    const row = await getNode(db.read, id);
    if (!row) throw new Error(`node ${id} has just been written`);
    const tracked = trackedOf(row);
    tracked.row.key = key;
    tracked.peer = links.peer(id);
    // What was between two keys is decided.
    if (tracked.conflict) tracked.conflict.until = 0;
    world.log("info", "a node has joined", { node: id, name, key });
  }

  /** Whose link this is. Throws SinewError unauthorized, or node_conflict for a clone. */
  async function identify(proof: string, nonce: string, from: string): Promise<Proved> {
    try {
      return await identified(proof, nonce, from);
    } catch (error) {
      const wait = error instanceof SinewError && error.code === "unauthorized" ? attempts.wrong(from) : null;
      if (wait === null) throw error;
      throw new SinewError("rate_limited", `too many wrong proofs from ${from}; again in ${wait} s`, {
        retryAfter: wait,
      });
    }
  }

  async function identified(proof: string, nonce: string, from: string): Promise<Proved> {
    const proved = await verifyProof(proof, { aud: `link ${own}`, nonce });
    const tracked = await provedNode(proved.sub.toLowerCase(), proved.thumbprint);
    if (!tracked) {
      throw new SinewError(
        "unauthorized",
        `node ${proved.sub} is not known here by this key: join again with a new token`,
      );
    }
    const second = await secondBoot(fleet, roster, tracked, { boot: proved.boot, from });
    if (!second) return provedAs(tracked.row, proved.thumbprint);
    // Soon enough that whoever is left shows itself as the only one, and both show themselves while both are there.
    const retryAfter = conflictMs(fleet, tracked) / 4000;
    throw new SinewError("node_conflict", `${second.message}; ${second.action}`, { retryAfter });
  }

  /** The node whose key this is. Of this conductor's own it is known, and `check` soon sees whether that still holds. */
  async function provedNode(id: string, key: string): Promise<Tracked | null> {
    const known = members.get(id);
    if (known && isOwn(fleet, known) && known.row.key === key) return known;
    const row = await getNode(db.read, id);
    if (row?.key !== key) return null;
    const tracked = trackedOf(row);
    if (!isOwn(fleet, tracked)) roster.learn(tracked, row);
    return tracked;
  }

  /** Resolves when it is known whose link it is, or whose it is not. */
  function open(socket: Socket, from: string): Promise<void> {
    return acceptLink(socket, {
      conductor: own,
      world,
      verify: (proof, nonce) => identify(proof, nonce, from),
      handle: (request, { caller }, again) =>
        fetch(request, { repeat: (_, same) => again(same), remoteAddress: socket.remoteAddress, caller }),
    }).then(
      ({ link, who }) => {
        if (fleet.stopped) link.close("this conductor stops");
        else {
          links.hold(who.id, who.key, link);
          // Its key may have been forgotten since it was read.
          keys.proved(who.id);
        }
      },
      (error) => {
        const refused = error instanceof SinewError && error.code !== "unavailable";
        if (refused) onRefused({ from: socket.remoteAddress, error });
        // A few are told of, and the audit trail counts all: a log without end is an attack, too.
        const told = refused && attempts.wrong(from) === null;
        world.log(told ? "warn" : "debug", "a link was not accepted", { from, error: String(error) });
      },
    );
  }

  return {
    join,
    start: keys.start,
    stop: keys.stop,
    check: keys.check,
    accept(socket) {
      const from = socket.remoteAddress ?? "this host";
      const later = (why: string) => refuseLink(socket, new SinewError("unavailable", why, { retryAfter: AGAIN_S }));
      const pending = (unproved.get(addressKey(from)) ?? 0) + 1;
      if (pending > UNPROVED) return later("too many links of this address are being opened");
      unproved.set(addressKey(from), pending);
      const proved = () => {
        const left = (unproved.get(addressKey(from)) ?? 1) - 1;
        if (left > 0) unproved.set(addressKey(from), left);
        else unproved.delete(addressKey(from));
      };
      if (turns.wait(socket, () => open(socket, from).finally(proved), proved)) return;
      proved();
      later("too many links are being opened");
    },
    async rekey(node) {
      const row = await findNode(db.read, node);
      if (!row) return false;
      await db.write((tx) => forgetKey(tx, row.id));
      claims.forget(row.id);
      const tracked = members.get(row.id);
      if (tracked?.conflict) tracked.conflict.until = 0;
      await keys.check();
      return true;
    },
  };
}
