import type { Caller } from "../auth/caller.ts";
import type { NodeKey } from "../auth/node-key.ts";
import { parseEndpoint } from "../client/endpoint.ts";
import { CONNECT_MS, connectSocket } from "../client/link/connect.ts";
import { holdLink, type LinkState } from "../client/link/redial.ts";
import { createPeer, type Peer } from "../client/peer.ts";
import type { ClientTls } from "../host-fetch.ts";
import type { Tier } from "../tiers/tier.ts";
import type { World } from "../world.ts";

/** Without a sign of life for so long while an answer is due, the conductor is given up and dialled again. */
const DEAD_AFTER_MS = 60_000;

/** The conductor, at the far end of a node's link. */
const ABOVE: Caller = { role: "above", name: "the conductor" };

export interface LinkUpOptions {
  /** The conductor's base URL, http(s). */
  url: string;
  /** Whom to believe, and what to show; null: the system's CAs, or no TLS. */
  tls: ClientTls | null;
  node: { id: string; key: NodeKey };
  /** Tells one run of this node from the next: the same as in its hello. */
  bootId: string;
  world: World;
  /** How a socket is opened. Default: over the network of this machine. */
  connect?: typeof connectSocket;
}

/** An agent's way to the conductor that it has joined: what the agent asks, and what it is asked, goes over one link. */
export interface LinkUp {
  /** For `createAgent({ conductor })`. */
  conductor: Peer;
  /** Dials, and lets the conductor ask `agent`, which is told to announce itself whenever the link is up. */
  start(agent: Pick<Tier, "fetch"> & { announce(): void }): void;
  stop(): void;
}

/** Resolves when the signal aborts: the fetch that follows says so. */
const aborted = (signal: AbortSignal | null | undefined) =>
  new Promise<void>((resolve) => {
    if (signal?.aborted) resolve();
    else signal?.addEventListener("abort", () => resolve(), { once: true });
  });

export function linkUp({ url, tls, node, bootId, world, connect = connectSocket }: LinkUpOptions): LinkUp {
  let agent: Parameters<LinkUp["start"]>[0] | null = null;
  let settled = Promise.withResolvers<void>();
  const onState = ({ kind }: LinkState) => {
    if (kind === "dialling") settled = Promise.withResolvers<void>();
    else settled.resolve();
    if (kind === "up") agent?.announce();
  };
  const held = holdLink({
    connect: () => connect(`${url.replace(/^http/, "ws")}/link`, { ...(tls ? { tls } : {}), deadlineMs: CONNECT_MS }),
    prove: ({ nonce, conductor }) => node.key.sign({ sub: node.id, aud: `link ${conductor}`, nonce, boot: bootId }),
    handle: (request) => agent?.fetch(request, { caller: ABOVE }) ?? new Response(null, { status: 503 }),
    world,
    limits: { deadAfterMs: DEAD_AFTER_MS },
    onState,
  });
  return {
    conductor: createPeer(parseEndpoint(url), {
      ...world,
      // What is asked while it is dialled waits for the outcome: a start without a failure is one without a warning.
      async fetch(url, init) {
        if (held.state.kind === "dialling") await Promise.race([settled.promise, aborted(init?.signal)]);
        return held.fetch(url, init);
      },
    }),
    start(above) {
      agent = above;
      held.start();
    },
    stop: () => held.stop(),
  };
}
