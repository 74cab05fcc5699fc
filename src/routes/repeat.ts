import { admits, type Caller, type CallerRole } from "../auth/caller.ts";
import type { Gate } from "../auth/gate.ts";
import { problemResponse, SinewError } from "../contract/problem.ts";
import { API_VERSION, VERSION_HEADER } from "../contract/version.ts";
import type { Metrics } from "../metrics/metrics.ts";
import type { Repeat, RequestEnv } from "../tiers/tier.ts";

type Fetch = (request: Request, env?: RequestEnv) => Promise<Response> | Response;

/** Of a hello; a longer one is handled like any other. */
const MAX_BYTES = 4 * 1024;
const MOST = 100_000;

/** Who said it, and what was answered. */
interface Kept {
  url: string;
  address: string | null | undefined;
  authorization: string | null;
  caller: Caller | undefined;
  again: () => boolean;
  body: string;
  headers: Headers;
}

/**
 * Answers a hello that says what the same caller said before by doing it again, without reading it: an idle fleet asks
 * nothing else. What may be done again, and for how long, is the app's to say (`RequestEnv.repeat`); the credential is
 * looked at each time, and a caller that is not remembered goes the long way.
 */
export function repeatedHellos(
  app: Fetch,
  { gate, roles, metrics }: { gate: Gate; roles: readonly CallerRole[]; metrics: Pick<Metrics, "answered"> },
): Fetch {
  /** By the text of the hello: of two that say the same the last. */
  let kept = new Map<string, Kept>();
  /** The one text of each sender. */
  let keys = new Map<string, string>();

  async function first(text: string, request: Request, env: RequestEnv | undefined): Promise<Response> {
    const { method, headers, signal, url } = request;
    const told: { who: string; again: () => boolean }[] = [];
    const repeat: Repeat = (who, again) => told.push({ who, again });
    const response = await app(new Request(url, { method, headers, signal, body: text }), { ...env, repeat });
    const [last] = told;
    if (response.status !== 200 || !last) return response;
    const body = await response.text();
    if (kept.size >= MOST) {
      kept = new Map();
      keys = new Map();
    }
    kept.delete(keys.get(last.who) ?? "");
    keys.set(last.who, text);
    const who = { url, address: env?.remoteAddress, authorization: headers.get("authorization"), caller: env?.caller };
    const entry = { ...who, again: last.again, body, headers: new Headers(response.headers) };
    kept.set(text, entry);
    return new Response(body, { headers: entry.headers });
  }

  return async (request, env) => {
    const began = performance.now();
    const { method, headers, url } = request;
    // A link keeps what was said over it by itself.
    if (method !== "POST" || !url.endsWith("/hello") || env?.repeat) return app(request, env);
    const size = headers.get("content-length");
    if (
      size === null ||
      Number(size) > MAX_BYTES ||
      headers.get("content-type") !== "application/json" ||
      (headers.get(VERSION_HEADER) ?? API_VERSION) !== API_VERSION ||
      headers.has("content-encoding")
    ) {
      return app(request, env);
    }
    let text: string;
    try {
      text = await request.text();
    } catch {
      // Whoever sent a part of it is gone.
      const detail = "expected a whole request, got a part of one";
      return problemResponse(new SinewError("invalid", detail), { [VERSION_HEADER]: API_VERSION });
    }
    const authorization = headers.get("authorization");
    const known = kept.get(text);
    if (
      known &&
      known.url === url &&
      known.address === env?.remoteAddress &&
      known.authorization === authorization &&
      known.caller === env?.caller
    ) {
      const caller = env?.caller ?? gate.recall(authorization);
      if (caller && admits(roles, caller.role) && known.again()) {
        metrics.answered({ method, route: "/hello", status: 200, seconds: (performance.now() - began) / 1000 });
        return new Response(known.body, { headers: known.headers });
      }
    }
    return first(text, request, env);
  };
}
