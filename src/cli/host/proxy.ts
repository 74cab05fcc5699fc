import type { Log } from "../../world.ts";

const VARIABLE = /^(https?|all)_proxy$/i;

/**
 * Takes proxy variables out of `env`. The runtime's fetch obeys them for every call, to loopback and unix sockets too,
 * and tiers talk to each other directly.
 */
export function withoutProxies(env: Record<string, string | undefined>, log: Log): void {
  const found = Object.keys(env).filter((name) => VARIABLE.test(name) && env[name]);
  for (const name of found) delete env[name];
  if (found.length > 0) log("info", "tiers are called directly: proxy variables are left unused", { ignored: found });
}
