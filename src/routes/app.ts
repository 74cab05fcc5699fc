import { OpenAPIHono, type z } from "@hono/zod-openapi";
import type { Context, MiddlewareHandler } from "hono";
import { bodyLimit } from "hono/body-limit";
import { HTTPException } from "hono/http-exception";
import { routePath } from "hono/route";
import { TrieRouter } from "hono/router/trie-router";
import type { Audit } from "../auth/audit.ts";
import type { Caller, Visitor } from "../auth/caller.ts";
import type { Gate, Visit } from "../auth/gate.ts";
import { PROBLEMS, type ProblemCode, problemOf, SinewError } from "../contract/problem.ts";
import { Problem } from "../contract/problem-schema.ts";
import {
  API_VERSION,
  ASKER_HEADER,
  asksUpward,
  negotiate,
  parseVersion,
  type Role,
  VERSION_HEADER,
} from "../contract/version.ts";
import type { Metrics } from "../metrics/metrics.ts";
import type { RequestEnv } from "../tiers/tier.ts";
import type { Log } from "../world.ts";

/** Requests are small: reports are pulled, never pushed. */
const MAX_BODY = 1024 * 1024;

export interface Env {
  /** Undefined where the tier is mounted without a listener of ours. */
  Bindings: RequestEnv | undefined;
  Variables: { requestId: string; caller: Caller };
}

export type App = OpenAPIHono<Env>;

/** What every mount shows of itself. */
export interface Mount {
  role: Role;
  name: string;
  gate: Gate;
  /** The listener speaks plain HTTP off loopback. */
  insecure: boolean;
  audit: Audit;
  /** Where the mount hangs, without a trailing slash: `""`, `"/agent"`. */
  basePath: string;
  /** False until the first scan is served. */
  ready(): boolean;
  log: Log;
  metrics: Metrics;
}

/** What answers strangers, too. */
const FOR_ALL = /^\/(healthz|readyz|doc|reference(\/[^/]*)?)$/;
/** An agent's link, too, proves who it is later: by its first messages. */
const isForAll = (path: string, role: Role) => FOR_ALL.test(path) || (role === "conductor" && path === "/link");

/** Of a caller whose listener does not say where it is: no machine's address, so that it is not taken for this host. */
const UNKNOWN_ADDRESS = "0.0.0.0";

/** Who calls, for a tier that has to know. */
export const visitorOf = (c: Context<Env>): Visitor => ({
  caller: c.get("caller"),
  remoteAddress: c.env?.remoteAddress === undefined ? UNKNOWN_ADDRESS : c.env.remoteAddress,
});

const READS = new Set(["GET", "HEAD", "OPTIONS"]);
/** What of a request says who calls. */
export const visitOf = (c: Context<Env>): Visit => ({
  authorization: c.req.header("authorization") ?? null,
  remoteAddress: c.env?.remoteAddress ?? null,
  local: c.env?.local ?? null,
  write: !READS.has(c.req.method),
  caller: c.env?.caller,
});

/** The pattern of the route that a request met, as the document writes it; those that met none have one in common. */
function patternOf(c: Context<Env>): string {
  const pattern = routePath(c, -1);
  return pattern.endsWith("*") ? "none" : pattern.replace(/:([^/]+)/g, "{$1}");
}

/**
 * An app with what all routes share: versions, request ids, problems for every error. `bodies` are the bytes that a body may
 * have where that is more than elsewhere, by method and path: `PUT /nodes/expected`.
 */
export function createApp(mount: Mount, bodies: Readonly<Record<string, number>> = {}): App {
  const app: App = new OpenAPIHono<Env>({
    // An agent has an app per driver, each with a dozen routes: the default compiles two routers for each.
    router: new TrieRouter(),
    defaultHook: (result) => {
      if (!result.success) throw invalidRequest(result.error.issues, result.target === "json");
    },
  });
  app.use(async (c, next) => {
    const began = performance.now();
    c.set("requestId", crypto.randomUUID());
    await next();
    const seconds = (performance.now() - began) / 1000;
    mount.metrics.answered({ method: c.req.method, route: patternOf(c), status: c.res.status, seconds });
    mount.audit.record({
      caller: c.get("caller") ?? null,
      address: c.env?.remoteAddress ?? null,
      method: c.req.method,
      // As it was sent, which is ASCII: decoded it could hold what no database stores.
      path: `${mount.basePath}${new URL(c.req.url).pathname}`,
      status: c.res.status,
      code: c.error ? asSinewError(c.error).code : null,
      request_id: c.get("requestId"),
    });
  });
  app.use(async (c, next) => {
    c.header(VERSION_HEADER, API_VERSION);
    c.header("X-Content-Type-Options", "nosniff");
    // A stranger is refused before anything else of the request is looked at, what does not exist included.
    if (!isForAll(c.req.path, mount.role)) c.set("caller", await mount.gate.identify(visitOf(c)));
    const asked = c.req.header(VERSION_HEADER);
    if (asked !== undefined && !(parseVersion(asked) && negotiate({ min: asked, max: asked }))) {
      throw new SinewError("version_unsupported", `${VERSION_HEADER}: expected ${API_VERSION}, got ${asked}`);
    }
    await next();
  });
  const atMost = (maxSize: number): MiddlewareHandler<Env> =>
    bodyLimit({
      maxSize,
      onError: () => {
        throw new SinewError("too_large", `expected a body of at most ${maxSize} bytes`);
      },
    });
  const most = atMost(MAX_BODY);
  const larger = new Map(Object.entries(bodies).map(([route, bytes]) => [route, atMost(bytes)]));
  app.use((c, next) => (larger.get(`${c.req.method} ${c.req.path}`) ?? most)(c, next));
  for (const path of ["/hardware/*", "/discovery"]) {
    app.use(path, async (c, next) => {
      const asker = c.req.header(ASKER_HEADER);
      if (asker !== undefined && asksUpward(asker, mount.role)) {
        throw new SinewError("invalid", `${ASKER_HEADER}: expected a tier above this ${mount.role}, got ${asker}`);
      }
      await next();
    });
  }
  app.onError((error, c) => problem(c, error, mount.log));
  app.notFound((c) => {
    const allowed = methodsOf(app, c.req.path);
    if (allowed.length === 0) {
      return problem(
        c,
        new SinewError("not_found", `there is no ${c.req.path} here: see ${mount.basePath}/doc`),
        mount.log,
      );
    }
    c.header("Allow", allowed.join(", "));
    const detail = `${c.req.path} takes ${allowed.join(", ")}, got ${c.req.method}`;
    return problem(c, new SinewError("method_not_allowed", detail), mount.log);
  });
  return app;
}

/** The methods that exist at a path, for 405 and Allow. */
function methodsOf(app: App, path: string): string[] {
  const methods = new Set<string>();
  for (const route of app.routes) {
    if (route.method === "ALL") continue;
    const pattern = new RegExp(`^${route.path.replace(/:[^/]+/g, "[^/]+")}$`);
    if (pattern.test(path)) methods.add(route.method);
  }
  if (methods.has("GET")) methods.add("HEAD");
  return [...methods].sort();
}

function invalidRequest(issues: readonly z.core.$ZodIssue[], isBody: boolean): SinewError {
  const errors = issues.slice(0, 20).map((issue) => ({
    pointer: isBody ? `/${issue.path.map(String).join("/")}` : issue.path.map(String).join("."),
    detail: issue.message,
  }));
  const detail = errors.map(({ pointer, detail }) => (pointer ? `${pointer}: ${detail}` : detail)).join("; ");
  return new SinewError("invalid", detail || "the request is not valid", { errors });
}

/** The one place where an error becomes a response (RFC 9457). */
function problem(c: Context<Env>, thrown: unknown, log: Log): Response {
  const error = hungUp(c, thrown) ?? asSinewError(thrown);
  const request_id = c.get("requestId") ?? crypto.randomUUID();
  const body = problemOf(error, request_id);
  const status = PROBLEMS[error.code][0];
  if (status === 500) {
    const cause = error.cause instanceof Error ? (error.cause.stack ?? error.cause.message) : String(error.cause);
    log("error", "a request failed", { request_id, method: c.req.method, path: c.req.path, cause });
  }
  c.header(VERSION_HEADER, API_VERSION);
  if (status === 401) c.header("WWW-Authenticate", 'Bearer realm="sinew"');
  if (body.retry_after !== undefined) c.header("Retry-After", String(body.retry_after));
  return c.body(JSON.stringify(body), status, { "content-type": "application/problem+json" });
}

/** A caller that went in the middle of its body is no failure of ours, and nobody reads what it is answered. */
function hungUp(c: Context<Env>, thrown: unknown): SinewError | null {
  const gone = c.req.raw.signal.aborted && thrown instanceof DOMException && thrown.name === "AbortError";
  return gone ? new SinewError("invalid", "expected a whole request, got a part of one") : null;
}

function asSinewError(thrown: unknown): SinewError {
  if (thrown instanceof SinewError) return thrown;
  if (thrown instanceof HTTPException) {
    // zod-openapi says so of a body that is not JSON.
    const code: ProblemCode = thrown.status === 415 ? "unsupported_media_type" : "invalid";
    return new SinewError(code, thrown.message || "the request is not valid");
  }
  return new SinewError("internal", "something went wrong here; the log has it under this request id", {
    cause: thrown,
  });
}

/** Declares a JSON answer of a route. */
export const json = <T extends z.ZodType>(schema: T, description: string) => ({
  description,
  content: { "application/json": { schema } },
});

/** Declares an error of a route by its status. */
export const problems = <S extends number>(...statuses: S[]) =>
  Object.fromEntries(
    statuses.map((status) => [
      status,
      {
        description: Object.values(PROBLEMS).find(([known]) => known === status)?.[1] ?? "An error",
        content: { "application/problem+json": { schema: Problem } },
      },
    ]),
  ) as Record<S, { description: string; content: { "application/problem+json": { schema: typeof Problem } } }>;

/** A response whose body is JSON text that was made, and cached, by the tier: typed by the schema it follows. */
export function jsonText(c: Context<Env>, text: string, headers: Record<string, string> = {}): never {
  // The routes' types know c.json only; this is its equal for text that is JSON of the declared schema already.
  return c.body(text, 200, { "content-type": "application/json", ...headers }) as never;
}

/** Seconds to wait from `Prefer: wait=N` (RFC 7240), 60 at most; 0 without one. Keeps the connection open as long. */
export function preferWait(c: Context<Env>): number {
  const wait = /(?:^|[,;\s])wait\s*=\s*"?(\d{1,9})/i.exec(c.req.header("prefer") ?? "")?.[1];
  const seconds = Math.min(60, Number(wait ?? 0));
  if (seconds > 0) c.env?.extend?.(seconds + 5);
  return seconds;
}

/** Whether If-None-Match names this tag, weakly compared (RFC 9110, 13.1.2). */
export function matchesTag(c: Context<Env>, tag: string): boolean {
  const header = c.req.header("if-none-match");
  if (header === undefined) return false;
  const opaque = tag.replace(/^W\//, "");
  return header.split(",").some((one) => one.trim() === "*" || one.trim().replace(/^W\//, "") === opaque);
}
