import type { Config } from "../../config.ts";
import type { Problem } from "../../contract/problem.ts";
import { API_VERSION, VERSION_HEADER } from "../../contract/version.ts";

const PATH = /^[^/]*\/\/[^/]*(\/[^?#]*)/;

/**
 * Answers while the role is still being loaded: the process is up and says so at /healthz, as the role will; for all
 * else it is too early.
 */
export function whileStarting(config: Pick<Config, "role" | "driver" | "auth">, nodeName: string) {
  const role = config.role === "all" ? "conductor" : config.role;
  const name = role === "agent" ? nodeName : role === "driver" ? (config.driver ?? role) : role;
  return async ({ url, method }: Request): Promise<Response> => {
    const headers = { [VERSION_HEADER]: API_VERSION, "cache-control": "no-store" };
    if (PATH.exec(url)?.[1] === "/healthz" && (method === "GET" || method === "HEAD")) {
      return Response.json({ status: "ok", role, name, auth: config.auth }, { headers });
    }
    // Loaded when it is needed: what makes a start slow is what must not come before the first answer.
    const { PROBLEMS } = await import("../../contract/problem.ts");
    const [status, title] = PROBLEMS.unavailable;
    const body: Problem = {
      type: "urn:sinew:problem:unavailable",
      title,
      status,
      code: "unavailable",
      detail: `this ${config.role} is starting: ask again in a second, or wait for a 200 at /readyz`,
      request_id: crypto.randomUUID(),
    };
    const type = { "content-type": "application/problem+json", "retry-after": "1" };
    return new Response(JSON.stringify(body), { status, headers: { ...headers, ...type } });
  };
}
