import type { Config } from "../../config.ts";
import { problemResponse, SinewError } from "../../contract/problem.ts";
import { API_VERSION, VERSION_HEADER } from "../../contract/version.ts";

const PATH = /^[^/]*\/\/[^/]*(\/[^?#]*)/;

/**
 * Answers while the role is still being loaded: the process is up and says so at /healthz, as the role will; for all
 * else it is too early.
 */
export function whileStarting(config: Pick<Config, "role" | "driver" | "auth" | "exposed">, nodeName: string) {
  const role = config.role === "all" ? "conductor" : config.role;
  const name = role === "agent" ? nodeName : role === "driver" ? (config.driver ?? role) : role;
  return async ({ url, method }: Request): Promise<Response> => {
    const headers = { [VERSION_HEADER]: API_VERSION, "cache-control": "no-store" };
    if (PATH.exec(url)?.[1] === "/healthz" && (method === "GET" || method === "HEAD")) {
      return Response.json(
        { status: "ok", role, name, auth: config.auth, ...(config.exposed ? { insecure: true } : {}) },
        { headers },
      );
    }
    return problemResponse(
      new SinewError(
        "unavailable",
        `this ${config.role} is starting: ask again in a second, or wait for a 200 at /readyz`,
        { retryAfter: 1 },
      ),
      headers,
    );
  };
}
