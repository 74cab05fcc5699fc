import { type Config, ConfigError, type ConfigInput, parseConfig } from "../config.ts";
import { deno } from "../deno.ts";
import { ROLES, SETTINGS } from "../settings.ts";
import type { RequestEnv } from "../tiers/tier.ts";

/** Our variables, from the second argument of `fetch` where the platform gives them there, else from the process. */
export function environmentOf(second: unknown): Record<string, string> {
  const given = ours(second);
  // Bun and Deno give their server or the connection there instead.
  if (Object.keys(given).length > 0) return given;
  return ours(deno()?.env.toObject() ?? globalThis.process?.env);
}

const ours = (from: unknown): Record<string, string> =>
  typeof from === "object" && from !== null
    ? Object.fromEntries(
        Object.entries(from).filter(([name, value]) => name.startsWith("SINEW_") && typeof value === "string"),
      )
    : {};

/** The configuration of a worker; `state` is "" without SINEW_STATE_DIR. Throws ConfigError naming every bad value. */
export async function workerConfig(env: Record<string, string>): Promise<Config> {
  // Types and constants alone, loaded here because nothing of drivers is of use to a conductor.
  const kinds = typeof Bun === "undefined" ? [] : (await import("../drivers/discover.ts")).driverNames;
  const problems: string[] = [];
  let config: Config | null = null;
  try {
    config = parseConfig({ flags: {}, env, host: NOWHERE, kinds });
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    problems.push(...error.problems.map(byVariable));
  }
  problems.push(...missing(env, config));
  if (problems.length > 0 || !config) throw new ConfigError(problems);
  return { ...config, state: env.SINEW_STATE_DIR ?? "" };
}

/** There are no flags here: `--drivers` is SINEW_DRIVERS. */
const byVariable = (problem: string) =>
  problem.replace(/^--([\w-]+)/, (flag, name) => SETTINGS.find((one) => one.flag === name)?.env ?? flag);

// Defaults that would be made from the host are asked for instead: a worker may have no host to speak of.
const NOWHERE: ConfigInput["host"] = { uid: -1, home: "/", cwd: "/" };

/** What `sinew start` makes up and a worker has to be told. */
function missing(env: Record<string, string>, config: Config | null): string[] {
  const needs = (name: string, expected: string) => `${name}: expected ${expected}, found nothing`;
  if (!env.SINEW_ROLE) return [needs("SINEW_ROLE", `one of ${ROLES.join(", ")}`)];
  const found: string[] = [];
  const role = env.SINEW_ROLE;
  const state = Boolean(env.SINEW_STATE_DIR);
  if (role === "conductor" && !env.SINEW_DB) found.push(needs("SINEW_DB", "sqlite:PATH or postgres://..."));
  if (role === "agent" && !state && !env.SINEW_NODE_ID)
    found.push(needs("SINEW_NODE_ID", "this node's UUID, or a SINEW_STATE_DIR to keep it in"));
  const upward = (role === "agent" && env.SINEW_CONDUCTOR) || (role === "driver" && env.SINEW_AGENT);
  if ((role === "agent" || role === "conductor") && !state && env.SINEW_AUTH !== "open")
    found.push(needs("SINEW_AUTH", "open, or a SINEW_STATE_DIR, whose operator.token callers show"));
  // The listener is the runtime's: nobody here knows where it is.
  if (upward && !env.SINEW_ENDPOINT) found.push(needs("SINEW_ENDPOINT", "the URL where this worker answers"));
  const builtIn = role === "driver" || role === "all" || (role === "agent" && env.SINEW_DRIVERS !== "none");
  if (builtIn && !state) found.push(needs("SINEW_STATE_DIR", "a directory, which built-in drivers need"));
  if (env.SINEW_SNAPSHOT && config && "snapshot" in config.source && role !== "conductor")
    found.push(`SINEW_SNAPSHOT: has no use here, only with \`sinew start\``);
  return found;
}

/** What Bun, as its server, and Deno, as the connection, say of the caller in the second argument. */
export function callerOf(request: Request, second: unknown): RequestEnv {
  const { requestIP, timeout, remoteAddr } = (second ?? {}) as {
    requestIP?: unknown;
    timeout?: unknown;
    remoteAddr?: { hostname?: unknown };
  };
  if (typeof requestIP === "function" && typeof timeout === "function") {
    const address: unknown = requestIP.call(second, request)?.address;
    return {
      remoteAddress: typeof address === "string" ? address : null,
      ...(second !== null && typeof second === "object" && "url" in second
        ? { local: new URL(String(second.url)).origin }
        : {}),
      extend: (seconds) => void timeout.call(second, request, seconds),
    };
  }
  const hostname = remoteAddr?.hostname;
  return typeof hostname === "string" ? { remoteAddress: hostname } : {};
}
