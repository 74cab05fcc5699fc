import { formatEndpoint, parseEndpoint } from "../client/endpoint.ts";
import { createPeer, type Peer } from "../client/peer.ts";
import type { App, Mount } from "../routes/app.ts";
import type { RequestEnv, Tier } from "../tiers/tier.ts";
import type { Log, World } from "../world.ts";

export interface TierOptions {
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

export const mountOf = (
  role: Mount["role"],
  name: string,
  { basePath = "" }: TierOptions,
  world: World,
  tier: { ready: boolean },
): Mount => ({ role, name, auth: "open", basePath, ready: () => tier.ready, log: world.log });

/** `unix:/path` and URLs alike; throws RangeError for what is neither. */
export const peerAt = (url: string, world: World): Peer => createPeer(parseEndpoint(url), world);

/** A fetch that reaches a tier of this process, for URLs that begin with `base`: the same requests, no network. */
export const localFetch =
  (tier: Pick<Tier, "fetch">, base: string): World["fetch"] =>
  async (url, init) =>
    tier.fetch(new Request(`http://localhost${url.slice(base.length)}`, init), { remoteAddress: "127.0.0.1" });

/** A tier of this process as a peer. `base` is what it is shown as. */
export function localPeer(tier: Pick<Tier, "fetch">, base: string, world: World): Peer {
  const endpoint = parseEndpoint(base);
  const prefix = endpoint.kind === "unix" ? "http://localhost" : formatEndpoint(endpoint);
  return createPeer(endpoint, { ...world, fetch: localFetch(tier, prefix) });
}

/** Serves a tier of this process below a path of another. */
export function mount(app: App, path: string, tier: Pick<Tier, "fetch">) {
  app.mount(path, (request: Request, env: RequestEnv | undefined) => tier.fetch(request, env));
}
