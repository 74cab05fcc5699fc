import { admits, READERS } from "../auth/caller.ts";
import type { Gate } from "../auth/gate.ts";
import { API_VERSION, ASKER_HEADER, VERSION_HEADER } from "../contract/version.ts";
import type { Metrics } from "../metrics/metrics.ts";
import type { RequestEnv } from "../tiers/tier.ts";

type Fetch = (request: Request, env?: RequestEnv) => Promise<Response> | Response;

const MAX_BYTES = 16 * 2 ** 20;

interface Entry {
  tag: string;
  bytes: Uint8Array<ArrayBuffer>;
  headers: [string, string][];
}

/**
 * Answers GETs of the fleet's hardware from the bytes made for the same URL at the same revision. What is kept is what
 * the app answered with an ETag of that revision, so nothing is served that the app would not serve.
 */
export function cachedByRevision(
  app: Fetch,
  { revision, gate, metrics }: { revision: () => Promise<number>; gate: Gate; metrics: Pick<Metrics, "answered"> },
): Fetch {
  let kept = new Map<string, Entry>();
  let keptAt = -1;
  /** Nothing changed since the request before: where each request meets another revision, what is kept helps nobody. */
  let calm = false;
  let size = 0;

  async function refill(key: string, request: Request, env: RequestEnv | undefined): Promise<Response> {
    const response = await app(request, env);
    const tag = response.headers.get("etag");
    if (!calm || response.status !== 200 || tag !== `W/"${keptAt}"`) return response;
    const bytes = new Uint8Array(await response.arrayBuffer());
    const headers = [...response.headers];
    // One reader that asks for everything page by page must not hold memory for good.
    if (size + bytes.byteLength > MAX_BYTES) {
      kept = new Map();
      size = 0;
    }
    if (tag === `W/"${keptAt}"` && bytes.byteLength <= MAX_BYTES) {
      kept.set(key, { tag, bytes, headers });
      size += bytes.byteLength;
    }
    return new Response(bytes, { headers });
  }

  return async (request, env) => {
    const began = performance.now();
    const { method, headers, url } = request;
    if (method !== "GET") return app(request, env);
    // The path and query as sent: a spelling of its own is a miss, never a wrong hit.
    const key = url.slice(url.indexOf("/", url.indexOf("//") + 2));
    if (
      !key.startsWith("/hardware") ||
      (headers.get(VERSION_HEADER) ?? API_VERSION) !== API_VERSION ||
      headers.has(ASKER_HEADER)
    ) {
      return app(request, env);
    }
    // Where the database does not say, the app does, as it says everything: by a problem document.
    const now = await revision().catch(() => null);
    if (now === null) return app(request, env);
    calm = now === keptAt;
    if (!calm) {
      kept = new Map();
      keptAt = now;
      size = 0;
    }
    const entry = kept.get(key);
    // Conditions are the app's to judge.
    if (headers.has("if-none-match")) return app(request, env);
    if (!entry || !mayRead(gate, request, env)) return refill(key, request, env);
    const route = /^\/hardware(\?|$)/.test(key) ? "/hardware" : "/hardware/{uuid}";
    metrics.answered({ method, route, status: 200, seconds: (performance.now() - began) / 1000 });
    return new Response(entry.bytes, { headers: entry.headers });
  };
}

/** Whether the caller is known to be let in. Of any other the app finds out, and remembers it for a while. */
function mayRead(gate: Gate, { headers }: Request, env: RequestEnv | undefined): boolean {
  const authorization = headers.get("authorization");
  if (authorization === null && gate.mode === "open") return true;
  const caller = env?.caller ?? gate.recall(authorization);
  return caller !== null && admits(READERS, caller.role);
}
