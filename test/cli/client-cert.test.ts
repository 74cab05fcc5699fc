import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { NodeList } from "../../src/contract/node.ts";
import { certificates } from "../support/certificates.ts";
import { endAll, type RunningSinew, sinew, startSinew, until } from "../support/process.ts";

// A conductor that asks for a client certificate besides the token: nobody gets as far as a request without one.
const made = certificates();
const home = mkdtempSync(join(tmpdir(), "sinew-client-cert-"));
const state = join(home, "conductor");
let conductor: RunningSinew;
let client: { cert: string; key: string };
let flags: string[];

beforeAll(async () => {
  const authority = await made.authority("clients");
  client = await authority.clientLeaf("an agent");
  writeFileSync(join(home, "me.crt"), client.cert);
  writeFileSync(join(home, "me.key"), client.key, { mode: 0o600 });
  flags = ["--client-cert", join(home, "me.crt"), "--client-key", join(home, "me.key")];
  const own = ["--role", "conductor", "--auth", "required", "--tls", "--tls-client-ca", authority.path];
  conductor = await startSinew([...own, "--state", state]);
}, 30_000);
afterAll(async () => {
  await endAll();
  made.close();
  rmSync(home, { recursive: true });
});

const tokenFor = (...more: string[]) => sinew(["token", "create", "--state", state, ...more]);

test("sinew token create is refused without the certificate, and works with it", async () => {
  expect(tokenFor()).rejects.toThrow("client certificate");
  expect(await tokenFor(...flags)).toStartWith("sinew-join-");
  expect(tokenFor(flags[0] ?? "", flags[1] ?? "")).rejects.toThrow("expected both or neither");
});

test("a command that does not know the CA says which option names it", async () => {
  const token = join(home, "token");
  writeFileSync(token, await tokenFor(...flags, "--role", "viewer"), { mode: 0o600 });
  const asking = ["alarms", "--url", conductor.url, "--token", token, ...flags];
  await expect(sinew(asking)).rejects.toThrow("; --ca FILE names the CA that signed its certificate");
  expect(await sinew([...asking, "--ca", join(state, "tls/ca.crt")])).toBe("Nothing fires.\n");
});

test("an agent joins and holds its link with the certificate; without it, it cannot even join", async () => {
  const agent = (...more: string[]) =>
    startSinew(["--role", "agent", "--drivers", "none", "--node", "n1", "--state", join(home, "agent"), ...more]);
  const invitation = (await tokenFor(...flags)).trim();
  expect(agent("--join", invitation)).rejects.toThrow("cannot join");
  await agent("--join", invitation, ...flags);
  const authorization = `Bearer ${readFileSync(join(state, "operator.token"), "utf8").trim()}`;
  const tls = { ca: readFileSync(join(state, "tls", "ca.crt"), "utf8"), rejectUnauthorized: true, ...client };
  await until(async () => {
    const answer = await fetch(`${conductor.url}/nodes`, { headers: { authorization }, tls });
    return NodeList.parse(await answer.json()).nodes[0]?.state === "LIVE";
  });
});
