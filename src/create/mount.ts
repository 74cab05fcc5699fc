import manifest from "../../package.json" with { type: "json" };
import { IN_PROCESS } from "../auth/caller.ts";
import { passAddress } from "../auth/pass.ts";
import { formatEndpoint, parseEndpoint } from "../client/endpoint.ts";
import { bearer, createPeer, type Peer } from "../client/peer.ts";
import { createMetrics, type Metrics } from "../metrics/metrics.ts";
import type { Mount } from "../routes/app.ts";
import type { Tier } from "../tiers/tier.ts";
import { type Log, realWorld, type World } from "../world.ts";
import type { Access, AuthOptions } from "./access.ts";

export interface TierOptions {
  /**
   * What callers are checked against; `"open"` lets anyone in who reaches the listener, which is for loopback and unix
   * sockets. A caller within the process passes `{ caller: IN_PROCESS }` as fetch's second argument.
   */
  auth: "open" | AuthOptions;
  /** Makes the token to show the tier above, and processes of this node, at this endpoint. Default: none is shown. */
  pass?: (endpoint: string) => Promise<string | null>;
  /** Where this tier answers, as it announces it upward; without one nothing above can ask it. */
  endpoint?: string | undefined;
  /** Where it is mounted, without a trailing slash; `""` at the root. */
  basePath?: string;
  /** Clock, timers, randomness, fetch and log. Default: this host's, warnings and errors to stderr. */
  world?: World;
  /** Tells one run of this process from the next. Default: a random UUID. */
  bootId?: string;
}

export const quietLog: Log = (level, message, fields) => {
  if (level === "warn" || level === "error") console.error(level, message, fields ?? "");
};

/** A tier's metrics, and its world with what it measures counted there. */
export function meteredWorld(role: Mount["role"], of: World = realWorld(quietLog)): { metrics: Metrics; world: World } {
  const metrics = createMetrics({ role, version: manifest.version }, of);
  return { metrics, world: { ...of, measure: metrics.measure } };
}

export const mountOf = (
  role: Mount["role"],
  name: string,
  { basePath = "" }: TierOptions,
  world: World,
  tier: { ready: boolean },
  { gate, audit, insecure }: Access,
  metrics: Metrics,
): Mount => ({ role, name, gate, audit, insecure, basePath, ready: () => tier.ready, log: world.log, metrics });

/** The tier above, at `unix:/path` or a URL; throws RangeError for what is neither. */
export function above(url: string, world: World, { pass }: Pick<TierOptions, "pass">): Peer {
  const endpoint = parseEndpoint(pass ? passAddress(url) : url);
  const shown = formatEndpoint(endpoint);
  return createPeer(endpoint, world, pass ? { authorize: bearer(() => pass(shown)) } : {});
}

/** A fetch that reaches a tier of this process, for URLs that begin with `base`: the same requests, no network. */
export const localFetch =
  (tier: Pick<Tier, "fetch">, base: string): World["fetch"] =>
  async (url, init) =>
    tier.fetch(new Request(`http://localhost${url.slice(base.length)}`, init), {
      remoteAddress: "127.0.0.1",
      caller: IN_PROCESS,
    });

/** A tier of this process as a peer. `base` is what it is shown as. */
export function localPeer(tier: Pick<Tier, "fetch">, base: string, world: World): Peer {
  const endpoint = parseEndpoint(base);
  const prefix = endpoint.kind === "unix" ? "http://localhost" : formatEndpoint(endpoint);
  return createPeer(endpoint, { ...world, fetch: localFetch(tier, prefix) });
}

type Fetch = Tier["fetch"];

/** Serves tiers of this process below paths of another. Each has its own gate: the one above does not look first. */
export function withMounts(root: Fetch, mounts: Record<string, Pick<Tier, "fetch">>): Fetch {
  const entries = Object.entries(mounts);
  if (entries.length === 0) return root;
  return (request, env) => {
    const start = request.url.indexOf("/", request.url.indexOf("//") + 2);
    const path = start < 0 ? "/" : request.url.slice(start);
    const found = entries.find(([prefix]) => path.startsWith(prefix) && /^[/?]?$/.test(path.charAt(prefix.length)));
    if (!found) return root(request, env);
    const [prefix, tier] = found;
    const rest = path.slice(prefix.length);
    const url = `${request.url.slice(0, start)}${rest.startsWith("/") ? rest : `/${rest}`}`;
    return tier.fetch(new Request(url, request), env);
  };
}
