import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseJoinToken } from "../../src/auth/join-token.ts";
import { makeNodeKey, type NodeKey, readNodeKey } from "../../src/auth/node-key.ts";
import { MadeToken, type NewToken } from "../../src/contract/access/token.ts";
import { FleetHardwareList } from "../../src/contract/hardware.ts";
import { NodeList } from "../../src/contract/node.ts";
import { linkUp } from "../../src/create/link.ts";
import type { World } from "../../src/world.ts";
import { endAll, type RunningSinew, startSinew } from "../support/process.ts";
import { quiet } from "../support/tiers.ts";

/** A host with four cards. */
export const HOST = join(import.meta.dir, "../../docs/example-host.json");
export const API = { min: "1.0", max: "1.0" };

export interface Ask {
  token?: string | undefined;
  method?: string;
  body?: unknown;
  headers?: Record<string, string>;
}

export type Lab = ReturnType<typeof makeLab>;

/** State directories of their own below one folder, processes in them, and what these have said. */
export function makeLab() {
  const home = mkdtempSync(join(tmpdir(), "sinew-attack-"));
  const started: RunningSinew[] = [];
  const secrets = new Set<string>();
  const path = (...parts: string[]) => join(home, ...parts);
  const caOf = (state: string) => readFileSync(path(state, "tls", "ca.crt"), "utf8");

  async function start(role: string, state: string, args: string[] = [], env: Record<string, string> = {}) {
    const auth = args.includes("--auth") ? [] : ["--auth", "required"];
    const running = await startSinew(["--role", role, "--state", path(state), ...auth, ...args], env);
    started.push(running);
    secrets.add(operatorOf(state));
    return Object.assign(running, { state });
  }
  type Started = Awaited<ReturnType<typeof start>>;

  /** The node's operator token. */
  function operatorOf(state: string): string {
    return readFileSync(path(state, "operator.token"), "utf8").trim();
  }

  /** As its operator unless another token is given; `token: undefined` is a stranger. */
  function ask(at: Pick<Started, "url" | "state">, where: string, how: Ask = {}): Promise<Response> {
    const token = "token" in how ? how.token : operatorOf(at.state);
    const unix = at.url.startsWith("unix:") ? { unix: at.url.slice(5) } : {};
    return fetch(`${at.url.startsWith("unix:") ? "http://localhost" : at.url}${where}`, {
      method: how.method ?? (how.body === undefined ? "GET" : "POST"),
      redirect: "manual",
      headers: {
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
        ...(how.body === undefined ? {} : { "content-type": "application/json" }),
        ...how.headers,
      },
      ...(how.body === undefined ? {} : { body: JSON.stringify(how.body) }),
      ...(at.url.startsWith("https:") ? { tls: { ca: caOf(at.state), rejectUnauthorized: true } } : {}),
      ...unix,
    });
  }
  const status = async (...asked: Parameters<typeof ask>) => (await ask(...asked)).status;

  async function makeToken(at: Started, wanted: NewToken): Promise<MadeToken> {
    const response = await ask(at, "/tokens", { body: wanted });
    if (response.status !== 201) throw new Error(`expected a token, got ${response.status} ${await response.text()}`);
    const made = MadeToken.parse(await response.json());
    secrets.add(made.credential);
    if (made.join !== null) secrets.add(made.join);
    return made;
  }

  const nodes = async (at: Started) => NodeList.parse(await (await ask(at, "/nodes")).json()).nodes;

  return {
    home,
    path,
    start,
    started,
    secrets,
    operatorOf,
    caOf,
    ask,
    status,
    makeToken,
    nodes,
    node: async (at: Started, id: string) => (await nodes(at)).find((node) => node.id === id),
    async devices(at: Started, query = "") {
      return FleetHardwareList.parse(await (await ask(at, `/hardware${query}`)).json()).hardware;
    },
    startConductor: (state: string, args: string[] = []) =>
      start("conductor", state, ["--tls", "--lease", "2", ...args]),
    /** Everything that its processes wrote. */
    said: () => started.map(({ output, log }) => output + log()).join(""),
    async close() {
      await endAll();
      rmSync(home, { recursive: true, force: true });
    },
  };
}

export type Started = Awaited<ReturnType<Lab["start"]>>;

/** A node's key that no machine has. */
export const newKey = async () => readNodeKey(await makeNodeKey());

/** Asks to become a node, as `sinew start --join` does. */
export async function askToJoin(
  lab: Lab,
  at: Started,
  credential: string,
  node: { id: string; name: string; key: NodeKey; aud?: string; sub?: string },
): Promise<Response> {
  const [id] = credential.split(".");
  const proof = await node.key.sign({
    sub: node.sub ?? node.id,
    aud: node.aud ?? `join ${id}`,
    nonce: "join",
    boot: "join",
  });
  return lab.ask(at, "/join", { token: credential, body: { node: { id: node.id, name: node.name }, proof } });
}

/** An agent that answers what the attacker wants it to, at the end of a link that its key has opened. */
export function falseAgent(
  lab: Lab,
  at: Started,
  options: { id: string; key: NodeKey; bootId?: string; answer?: (request: Request) => Response },
) {
  const logged: string[] = [];
  const world: World = { ...quiet(), log: (_, message, fields) => logged.push(`${message} ${JSON.stringify(fields)}`) };
  const up = Promise.withResolvers<void>();
  const asked: { path: string; authorization: string | null }[] = [];
  const { url, ca, name } = parseUrl(lab, at);
  const link = linkUp({
    url,
    tls: { ca, serverName: name },
    node: options,
    bootId: options.bootId ?? crypto.randomUUID(),
    world,
  });
  link.start({
    fetch(request) {
      asked.push({ path: new URL(request.url).pathname, authorization: request.headers.get("authorization") });
      return options.answer?.(request) ?? new Response(null, { status: 404 });
    },
    announce: () => up.resolve(),
  });
  return {
    up: up.promise,
    asked,
    logged,
    /** The status and body of what is asked over the link. */
    async ask(path: string, body?: unknown): Promise<{ status: number; body: unknown }> {
      try {
        return await link.conductor.request({
          method: body === undefined ? "GET" : "POST",
          path,
          ...(body === undefined ? {} : { body }),
          deadlineMs: 5000,
          maxBytes: 1e6,
        });
      } catch (error) {
        const found = error instanceof Error && "status" in error ? Number(error.status) : 0;
        return { status: found, body: error instanceof Error ? error.message : String(error) };
      }
    },
    stop: () => link.stop(),
  };
}

function parseUrl(lab: Lab, at: Started) {
  const name = readFileSync(lab.path(at.state, "node-id"), "utf8").trim();
  return { url: at.url, ca: lab.caOf(at.state), name };
}

/** What an agent says of itself. */
export const helloOf = (id: string, name: string, generation = "1") => ({
  status: "READY",
  endpoint: ":1337",
  name,
  node: { id, name },
  api: API,
  generation,
  boot_id: crypto.randomUUID(),
});

/** The conductor's part of a join token, with another address: where a proxy or a squatter listens. */
export const inviteAt = (join: string, port: number) => {
  const token = parseJoinToken(join);
  const url = new URL(token.url);
  url.port = String(port);
  return { ...token, url: url.origin };
};
