import { createServer } from "node:net";
import { pinnedFetch } from "../../client/pin.ts";
import { realWorld, type World } from "../../world.ts";
import { joinedStore, pinOf } from "../credentials/joined.ts";
import { codeOf, Exit, reasonOf } from "../exit.ts";
import { readAddress } from "../operator/address.ts";
import { type Where, wayTo } from "../operator/way.ts";
import { type Finding, failed, good, warning } from "./finding.ts";

const DEADLINE_MS = 5_000;
/** A pass between processes of a node holds for a minute, a certificate from the moment it is made. */
const SKEW_SECONDS = 30;
/** By default: see `sinew start --help`. */
const PORTS = { conductor: 1336, agent: 1337, driver: 1338 };

/** The clock of this host, by its kernel. */
export async function clockFindings(): Promise<Finding[]> {
  const check = "clock";
  const { isClockSynchronized } = await import("../../ffi/clock.ts");
  const synchronized = isClockSynchronized();
  if (synchronized) return [good(check, "the kernel says it is synchronized")];
  const what = synchronized === null ? "the kernel does not say whether it is" : "the kernel says that nobody holds it";
  const message = `${what} right: certificates and times of conditions depend on it`;
  return [warning(check, message, "timedatectl set-ntp true, or run chrony; in a container the host's clock counts")];
}

/** Whether the default ports are free for who would start there; those of a tier that runs here are its own. */
export async function portFindings(state: string, ports: Record<string, number> = PORTS): Promise<Finding[]> {
  const findings = await Promise.all(
    Object.entries(ports).map(async ([role, port]) => {
      const check = "ports";
      const url = await readAddress(state, role);
      if (url !== null && new URL(url).port === String(port)) return good(check, `${port}: this node's ${role}`);
      const why = await bindable(port);
      if (why === null) return good(check, `${port} is free`);
      const mend = `ss -ltnp 'sport = :${port}' says whose it is; --listen 127.0.0.1:PORT starts a tier elsewhere`;
      return warning(check, `${port}, where ${role === "agent" ? "an" : "a"} ${role} listens by default: ${why}`, mend);
    }),
  );
  return findings;
}

const bindable = (port: number): Promise<string | null> =>
  new Promise((resolve) => {
    const server = createServer();
    server.once("error", (error) =>
      resolve(codeOf(error) === "EADDRINUSE" ? "another process has it" : reasonOf(error)),
    );
    server.listen({ port, host: "127.0.0.1", exclusive: true }, () => server.close(() => resolve(null)));
  });

/** Whether the tiers that this host depends on answer: the one that commands ask, and the conductor that it joined. */
export async function reachFindings(where: Where, state: string): Promise<Finding[]> {
  const findings: Finding[] = [];
  const named = where.url !== undefined;
  const running = (await readAddress(state, "conductor")) ?? (await readAddress(state, "agent"));
  if (named || running !== null) {
    const way = await wayTo(where);
    const base = way.endpoint.kind === "unix" ? "http://localhost" : way.endpoint.base;
    const unix = way.endpoint.kind === "unix" ? { unix: way.endpoint.path } : {};
    const mend = named ? `curl -v ${way.url}/healthz` : `sinew start, or rm ${state}/*.url where it was killed`;
    const ask = (path: string, headers = {}) =>
      way.fetch(`${base}${path}`, { ...unix, headers, signal: AbortSignal.timeout(DEADLINE_MS), redirect: "manual" });
    findings.push(...(await answers(way.url, ask, mend)));
    if (findings.every(({ status }) => status !== "failed")) findings.push(await letsIn(way, ask));
  }
  const joined = await joinedStore(state, () => {}).load();
  if (joined) {
    const plain = realWorld(() => {}).fetch;
    const fetch: World["fetch"] = joined.ca === null ? plain : pinnedFetch(plain, pinOf({ ...joined, ca: joined.ca }));
    const ask = (path: string) =>
      fetch(`${joined.url}${path}`, { signal: AbortSignal.timeout(DEADLINE_MS), redirect: "manual" });
    const mend = `curl -kv ${joined.url}/healthz from here; ask its operator whether it runs, and for a new join token where it moved`;
    findings.push(...(await answers(`the conductor that this node joined, ${joined.url}`, ask, mend)));
  }
  return findings;
}

async function answers(what: string, ask: (path: string) => Promise<Response>, mend: string): Promise<Finding[]> {
  const check = "reach";
  const began = performance.now();
  let response: Response;
  try {
    response = await ask("/readyz");
    await response.body?.cancel();
  } catch (error) {
    return [failed(check, `${what} does not answer: ${reasonOf(error)}`, mend)];
  }
  const ms = Math.round(performance.now() - began);
  if (response.status === 503)
    return [warning(check, `${what} answers in ${ms} ms, and is not ready yet`, "see its log, and try again")];
  if (!response.ok) return [failed(check, `${what} answers ${response.status}: it is no tier of Sinew`, mend)];
  const date = Date.parse(response.headers.get("date") ?? "");
  const skew = Math.round((date - Date.now()) / 1000);
  if (Math.abs(skew) <= SKEW_SECONDS || Number.isNaN(skew)) return [good(check, `${what} answers in ${ms} ms`)];
  const ahead = `${what} is ${Math.abs(skew)} s ${skew > 0 ? "ahead of" : "behind"} this host's clock`;
  return [good(check, `${what} answers in ${ms} ms`), warning("clock", ahead, "timedatectl set-ntp true, on both")];
}

async function letsIn(
  way: { url: string; token(): Promise<string> },
  ask: (path: string, headers: Record<string, string>) => Promise<Response>,
): Promise<Finding> {
  const check = "credentials";
  try {
    const { status } = await ask("/hardware?limit=1", { authorization: `Bearer ${await way.token()}` });
    if (status < 400) return good(check, `${way.url} lets this user read`);
    return failed(
      check,
      `${way.url} answers ${status} to this user`,
      "sinew token create --role viewer at its node, then --token FILE",
    );
  } catch (error) {
    if (!(error instanceof Exit)) return failed(check, `${way.url}: ${reasonOf(error)}`, null);
    return warning(check, error.message, "--token FILE, or sinew context set with one");
  }
}
