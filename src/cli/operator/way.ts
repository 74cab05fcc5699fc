import { readFile } from "node:fs/promises";
import { passAddress, signPass } from "../../auth/pass.ts";
import { type Endpoint, formatEndpoint, parseEndpoint } from "../../client/endpoint.ts";
import { pinnedFetch, verifiedFetch } from "../../client/pin.ts";
import { stateDirectory } from "../../config.ts";
import { isHere } from "../../config-values.ts";
import { realWorld, type World } from "../../world.ts";
import { readOperatorToken } from "../credentials/secrets.ts";
import { Away, Exit, reasonOf } from "../exit.ts";
import { hostFacts, userName } from "../host/facts.ts";
import { pemOf, readCertificates } from "../tls/certificate.ts";
import { readPair } from "../tls/files.ts";
import { readAddress, readAuthority } from "./address.ts";

/** What every command that asks a running tier takes. */
export interface Where {
  url?: string;
  token?: string;
  state?: string;
  ca?: string;
  clientCert?: string;
  clientKey?: string;
  /** Not a flag itself: what says where the tier is, by default `--url`. */
  flag?: string;
}

export const WHERE_OPTIONS: [flag: string, help: string][] = [
  ["--url <URL>", "the tier to ask (default: the conductor, else the agent, that runs in the state directory)"],
  ["--token <FILE>", "a file with a token for it (default: operator.token in the state directory)"],
  [
    "--ca <FILE>",
    "the CA, PEM, that signed its certificate (default: that of the tier in the state directory, else the system's)",
  ],
  ["--client-cert <FILE>", "a certificate, PEM, for a tier that asks its callers for one"],
  ["--client-key <FILE>", "its private key, PEM"],
  ["--state <DIR>", "the state directory, as for `sinew start`"],
];

/** How a tier is reached and what it is shown. */
export interface Way {
  url: string;
  endpoint: Endpoint;
  fetch: World["fetch"];
  /** Whether the state directory has an operator token. */
  hasToken: boolean;
  /** The token for the next request. Throws Exit 1 where there is none. */
  token(): Promise<string>;
  /** Who of this machine asks, where the state directory is what it shows: that alone says no more than the machine. */
  actor: string | null;
}

/** The way to the tier that is meant. Throws Exit. */
export async function wayTo(where: Where): Promise<Way> {
  const state = stateDirectory(where.state, process.env, hostFacts());
  const url = passAddress(await addressOf(where, state));
  return {
    url,
    endpoint: parsed(url, where),
    fetch: await fetchOf(url, state, where),
    hasToken: (await isOurs(url, state)) && (await readOperatorToken(state)) !== null,
    token: () => credential(where, state, url),
    actor: where.token === undefined ? userName() : null,
  };
}

function parsed(url: string, { flag = "--url" }: Where) {
  try {
    return parseEndpoint(url);
  } catch (error) {
    throw new Exit(2, `${flag}: ${reasonOf(error)}`);
  }
}

async function addressOf(where: Where, state: string): Promise<string> {
  const { url, flag } = where;
  if (url !== undefined) return formatEndpoint(parsed(url, where));
  const conductor = await readAddress(state, "conductor");
  if (conductor !== null) return conductor;
  const agent = await readAddress(state, "agent");
  if (flag === "--conductor") {
    const alone = agent === null ? "" : ", an agent alone";
    throw new Away(
      `no conductor is running in ${state}${alone}; --conductor says where one is, \`sinew context set\` keeps it, --state says which directory is meant`,
    );
  }
  if (agent !== null) return agent;
  throw new Exit(
    1,
    `no conductor or agent is running in ${state}; --url says where one is, --state which directory is meant`,
  );
}

/** Whether this is on this node: a pass that another host is shown is good for the same port here. */
async function isOurs(url: string, state: string): Promise<boolean> {
  return isHere(url) || (await runsIn(state, url));
}

/** Whether this is where a tier of the state directory says that it is. */
const runsIn = async (state: string, url: string): Promise<boolean> =>
  url === (await readAddress(state, "conductor")) || url === (await readAddress(state, "agent"));

/** The operator token itself is never sent: whoever took the port of a tier that died would have it. */
async function credential({ token }: Where, state: string, url: string): Promise<string> {
  if (token !== undefined) {
    let text: string;
    try {
      text = await readFile(token, "utf8");
    } catch (error) {
      throw new Exit(1, `cannot read ${token}: ${reasonOf(error)}`);
    }
    if (!/^[\x21-\x7e]+$/.test(text.trim())) throw new Exit(1, `expected one token in ${token}, found something else`);
    return text.trim();
  }
  if (!(await isOurs(url, state))) {
    throw new Exit(1, `expected --token FILE for ${url}: operator.token in ${state} is for this node's own tiers`);
  }
  const own = await readOperatorToken(state);
  if (own !== null) return signPass(own, url, Date.now());
  throw new Exit(
    1,
    `there is no operator.token in ${state}; --token names a file with a token, --state the directory of the tier`,
  );
}

/** The certificate is checked against the CA that is named, else that of this node's own tier, else the system's. */
async function fetchOf(url: string, state: string, where: Where): Promise<World["fetch"]> {
  const { clientCert, clientKey } = where;
  const { fetch } = realWorld(() => {});
  if ((clientCert === undefined) !== (clientKey === undefined)) {
    throw new Exit(2, "--client-cert and --client-key: expected both or neither, found one");
  }
  if (!url.startsWith("https:")) return fetch;
  const ca = await authorityOf(url, state, where);
  if ("Deno" in globalThis && (ca !== null || clientCert)) {
    throw new Exit(1, `cannot call ${url} on Deno, whose fetch cannot be held to one CA: run this command on Bun`);
  }
  const own = clientCert && clientKey ? await readPair({ cert: clientCert, key: clientKey }) : {};
  return ca === null ? verifiedFetch(fetch, own) : pinnedFetch(fetch, { ca, ...own });
}

async function authorityOf(url: string, state: string, { ca, token }: Where): Promise<string | null> {
  if (ca !== undefined) return pemOf(await readCertificates(ca));
  // A token of one's own is for another node's tier, unless it is for the one that runs there.
  if (token !== undefined && !(await runsIn(state, url))) return null;
  return (await readAuthority(state, "conductor")) ?? (await readAuthority(state, "agent"));
}
