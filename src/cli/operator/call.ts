import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { signPass } from "../../auth/pass.ts";
import { formatEndpoint, parseEndpoint } from "../../client/endpoint.ts";
import { pinnedFetch, verifiedFetch } from "../../client/pin.ts";
import { stateDirectory } from "../../config.ts";
import { realWorld, type World } from "../../world.ts";
import { readOperatorToken } from "../credentials/secrets.ts";
import { codeOf, Exit, reasonOf } from "../exit.ts";
import { hostFacts } from "../host/facts.ts";
import { readNodeId } from "../host/node-id.ts";
import { withoutProxies } from "../host/proxy.ts";
import { readAddress } from "./address.ts";

/** What every command that asks a running tier takes. */
export interface Where {
  url?: string;
  token?: string;
  state?: string;
}

export const WHERE_OPTIONS: [flag: string, help: string][] = [
  ["--url <URL>", "the tier to ask (default: the conductor, else the agent, that runs in the state directory)"],
  ["--token <FILE>", "a file with a token for it (default: operator.token in the state directory)"],
  ["--state <DIR>", "the state directory, as for `sinew start`"],
];

const DEADLINE_MS = 15_000;

/** Asks the tier as its operator. Throws Exit 1 with the tier's own words where it refuses. */
export async function call(
  where: Where,
  request: { method?: string; path: string; body?: unknown },
): Promise<{ status: number; body: unknown }> {
  withoutProxies(process.env, () => {});
  const state = stateDirectory(where.state, process.env, hostFacts());
  const url = await addressOf(where, state);
  const endpoint = parsed(url);
  const { method = "GET", path, body } = request;
  const base = endpoint.kind === "unix" ? "http://localhost" : endpoint.base;
  const fetch = await fetchOf(url, state);
  const authorization = `Bearer ${await credential(where, state, url)}`;
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

function parsed(url: string) {
  try {
    return parseEndpoint(url);
  } catch (error) {
    throw new Exit(2, `--url: ${reasonOf(error)}`);
  }
}

async function addressOf({ url }: Where, state: string): Promise<string> {
  if (url !== undefined) return formatEndpoint(parsed(url));
  const found = (await readAddress(state, "conductor")) ?? (await readAddress(state, "agent"));
  if (found !== null) return found;
  throw new Exit(
    1,
    `no conductor or agent is running in ${state}; --url says where one is, --state which directory is meant`,
  );
}

/** The operator token itself is never sent: whoever took the port of a tier that died would have it. */
async function credential({ token }: Where, state: string, url: string): Promise<string> {
  if (token !== undefined) {
    try {
      return (await readFile(token, "utf8")).trim();
    } catch (error) {
      throw new Exit(1, `cannot read ${token}: ${reasonOf(error)}`);
    }
  }
  const own = await readOperatorToken(state);
  if (own !== null) return signPass(own, url, Date.now());
  throw new Exit(
    1,
    `there is no operator.token in ${state}; --token names a file with a token, --state the directory of the tier`,
  );
}

/** Of a tier with a CA of its own the certificate is checked against that one, by the node's id. */
async function fetchOf(url: string, state: string): Promise<World["fetch"]> {
  const { fetch } = realWorld(() => {});
  if (!url.startsWith("https:")) return fetch;
  const ca = await readFile(join(state, "tls", "ca.crt"), "utf8").catch((error) => {
    if (codeOf(error) === "ENOENT" || codeOf(error) === "ENOTDIR") return null;
    throw error;
  });
  const serverName = await readNodeId(state);
  return ca !== null && serverName !== null ? pinnedFetch(fetch, { ca, serverName }) : verifiedFetch(fetch);
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null; // the status says it
  }
}
