import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { formatJoinToken } from "../../src/auth/join-token.ts";
import { makeLeaf, openAuthority } from "../../src/cli/tls/authority.ts";
import { type Listener, listen, type Tls } from "../../src/serve.ts";
import { cleanEnv, run } from "../cli/run.ts";
import { certificates, selfSigned } from "../support/certificates.ts";
import { until } from "../support/process.ts";
import { eavesdrop } from "./proxy.ts";
import { HOST, inviteAt, makeLab, type Started } from "./support.ts";

const lab = makeLab();
const files = certificates();
const listeners: Listener[] = [];
/** What reached somebody who is not the conductor. */
const reached: string[] = [];
let conductor: Started;
let attacker: Awaited<ReturnType<typeof files.authority>>;
let id = "";
let shown: Record<string, Tls>;
let environment: Record<string, string>;

beforeAll(async () => {
  conductor = await lab.startConductor("c");
  id = readFileSync(lab.path("c", "node-id"), "utf8").trim();
  attacker = await files.authority("attacker");
  const leaf = await attacker.leaf(id);
  const own = await openAuthority(lab.path("c"), id);
  shown = {
    "of another CA": leaf,
    "of another CA, beside the right CA's certificate": {
      ...leaf,
      cert: leaf.cert.split(/(?<=END CERTIFICATE-----\n)/)[0] + lab.caOf("c"),
    },
    "that nobody signed": await selfSigned(id),
    "of the right CA for another name": (await makeLeaf(own, { node: crypto.randomUUID(), hosts: [] }, new Date())).tls,
  };
  const trap = await listen({ host: "127.0.0.1", port: 0 }, (request) => {
    reached.push(`proxied ${request.url}`);
    return new Response(null, { status: 502 });
  });
  listeners.push(trap);
  // All that an attacker may have put into a service's environment.
  environment = {
    NODE_TLS_REJECT_UNAUTHORIZED: "0",
    NODE_EXTRA_CA_CERTS: attacker.path,
    SSL_CERT_FILE: attacker.path,
    ...Object.fromEntries(
      ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"].map((name) => [
        name,
        trap.url,
      ]),
    ),
  };
});
afterAll(async () => {
  await lab.close();
  await Promise.all(listeners.map((listener) => listener.stop({ graceMs: 100 })));
  files.close();
});

async function impostor(tls: Tls, port = 0): Promise<Listener> {
  const listener = await listen(
    { host: "127.0.0.1", port },
    (request) => {
      reached.push(`${request.method} ${request.url} ${request.headers.get("authorization")}`);
      return Response.json({ status: "JOINED", conductor: id, key: "x" });
    },
    { tls },
  );
  listeners.push(listener);
  return listener;
}
const portOf = (url: string) => Number(new URL(url).port);
const invite = async () => (await lab.makeToken(conductor, { role: "agent" })).join ?? "";
let agents = 0;
function startAgent(join: string, env: Record<string, string> = {}) {
  agents += 1;
  const own = ["--snapshot", HOST, "--drivers", "gpu", "--node", `n${agents}`, "--node-id", crypto.randomUUID()];
  return lab.start("agent", `n${agents}`, [...own, "--join", join], env);
}
const live = async (name: string) =>
  (await lab.nodes(conductor)).some((node) => node.name === name && node.state === "LIVE");

describe("a false conductor", () => {
  test.each([
    "of another CA",
    "of another CA, beside the right CA's certificate",
    "that nobody signed",
    "of the right CA for another name",
  ])("with a certificate %s is told nothing by an agent that joins, whatever its environment says", async (kind) => {
    const tls = shown[kind];
    if (!tls) throw new Error(`there is no certificate ${kind}`);
    const { url } = await impostor(tls);
    const join = formatJoinToken(inviteAt(await invite(), portOf(url)));
    await Promise.all([
      expect(startAgent(join)).rejects.toThrow(/exited 1: .*cannot join https:/s),
      expect(startAgent(join, environment)).rejects.toThrow(/exited 1: .*cannot join https:/s),
    ]);
    expect(reached).toEqual([]);
  });

  test("on the port of one that died is told nothing by the agents that had joined, which come back", async () => {
    const agent = await startAgent(await invite(), environment);
    const name = `n${agents}`;
    await until(() => live(name));
    const port = portOf(conductor.url);
    await conductor.stop("SIGKILL");
    const squatter = await impostor(await attacker.leaf(id), port);
    await until(() => /cannot connect to 127.0.0.1:\d+: .*(certificate|signed|issuer|TLS)/i.test(agent.log()), 15_000);
    const told = await run(["token", "list", "--state", lab.path("c")], cleanEnv(lab.home, environment));
    expect(told.code).toBe(1);
    expect(told.err).toMatch(/cannot reach https:/);
    expect(reached).toEqual([]);
    await squatter.stop({ graceMs: 100 });
    conductor = await lab.startConductor("c", ["--listen", `127.0.0.1:${port}`]);
    await until(() => live(name), 20_000);
  });
});

describe("the environment", () => {
  test("leads no command of an operator astray", async () => {
    const made = await run(["token", "create", "--state", lab.path("c")], cleanEnv(lab.home, environment));
    expect([made.code, made.out]).toEqual([0, expect.stringMatching(/^sinew-join-\S+\n$/)]);
    lab.secrets.add(made.out.trim());
    expect(reached).toEqual([]);
  });
});

describe("an eavesdropper", () => {
  test("hears neither a token nor hardware, and what it changes is never a row", async () => {
    const proxy = await eavesdrop(portOf(conductor.url));
    const token = await lab.makeToken(conductor, { role: "agent" });
    await startAgent(formatJoinToken(inviteAt(token.join ?? "", proxy.port)));
    const name = `n${agents}`;
    await until(async () => (await lab.devices(conductor, `?node=${name}`)).length > 0);
    const before = await lab.devices(conductor, `?node=${name}`);
    expect(proxy.heard().length).toBeGreaterThan(2_000);
    const [, secret = ""] = token.credential.split(".");
    for (const word of [secret, token.credential, "acc_specs", "hardware", "Bearer", "nonce", name, "boot"])
      expect([word, proxy.heard().includes(word)]).toEqual([word, false]);
    const connections = proxy.connections();
    proxy.tamper();
    expect(await lab.status(conductor, "/discovery", { method: "POST", headers: { prefer: "wait=10" } })).toBe(200);
    await until(() => proxy.connections() > connections, 15_000);
    await until(
      async () => (await lab.devices(conductor, `?node=${name}`)).every(({ freshness }) => freshness === "FRESH"),
      15_000,
    );
    expect(await lab.devices(conductor, `?node=${name}`)).toEqual(before);
    proxy.close();
  });
});

test("nothing that was said here holds a secret", () => {
  const said = lab.said();
  expect(said.length).toBeGreaterThan(1_000);
  for (const secret of lab.secrets)
    expect([secret.slice(0, 12), said.includes(secret)]).toEqual([secret.slice(0, 12), false]);
});
