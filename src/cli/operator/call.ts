import { Exit, reasonOf } from "../exit.ts";
import { withoutProxies } from "../host/proxy.ts";
import { type Where, wayTo } from "./way.ts";

const DEADLINE_MS = 15_000;

/** Asks the tier as its operator. Throws Exit 1 with the tier's own words where it refuses. */
export async function call(
  where: Where,
  request: { method?: string; path: string; body?: unknown },
): Promise<{ status: number; body: unknown }> {
  withoutProxies(process.env, () => {});
  const { url, endpoint, fetch, token } = await wayTo(where);
  const { method = "GET", path, body } = request;
  const base = endpoint.kind === "unix" ? "http://localhost" : endpoint.base;
  const authorization = `Bearer ${await token()}`;
  let response: Response;
  try {
    response = await fetch(`${base}${path}`, {
      method,
      headers: { authorization, ...(body === undefined ? {} : { "content-type": "application/json" }) },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      redirect: "manual",
      signal: AbortSignal.timeout(DEADLINE_MS),
      ...(endpoint.kind === "unix" ? { unix: endpoint.path } : {}),
    });
  } catch (error) {
    throw new Exit(1, `cannot reach ${url}: ${reasonOf(error)}`);
  }
  const text = await response.text();
  const answer = parseJson(text);
  if (response.ok) return { status: response.status, body: answer };
  const { detail } = (answer ?? {}) as { detail?: unknown };
  throw new Exit(
    1,
    `${url} answered ${response.status}: ${typeof detail === "string" ? detail : "and did not say why"}`,
  );
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null; // the status says it
  }
}
