import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { make } from "../../../src/cli/tls/maker.ts";
import { HardwareList } from "../../../src/contract/hardware.ts";
import { Problem } from "../../../src/contract/problem-schema.ts";
import { endAll, type RunningSinew, startSinew, until } from "../../support/process.ts";
import { CARD } from "../../support/tiers.ts";

// A running agent, and peers in other processes that would have it call what they like.
const home = mkdtempSync(join(tmpdir(), "sinew-dial-"));
const notAfter = "2099-01-01T00:00:00Z";
const seen: { url: string; headers: Headers }[] = [];
let agent: RunningSinew;
let wire: { url: string; names: string[] };
let wireProcess: Bun.Subprocess;
let proxied = 0;

const answer = (request: Request) => {
  seen.push({ url: request.url, headers: request.headers });
  return Response.json({ hardware: [CARD] }, { headers: { "set-cookie": "sid=1; path=/" } });
};
const peer = Bun.serve({ hostname: "127.0.0.1", port: 0, fetch: answer });
const proxy = Bun.listen({
  hostname: "127.0.0.1",
  port: 0,
  socket: {
    open(socket) {
      proxied += 1;
      socket.end();
    },
    data() {},
  },
});
const secure: Record<string, Bun.Server<undefined>> = {};

beforeAll(async () => {
  const ca = await make({ make: "authority", name: "test", notAfter });
  const stranger = await make({ make: "authority", name: "stranger", notAfter });
  const leaf = { make: "leaf" as const, notAfter, addresses: [] };
  const certificates = {
    good: await make({ ...leaf, issuer: ca, names: ["localhost"] }),
    otherName: await make({ ...leaf, issuer: ca, names: ["other.example"] }),
    otherIssuer: await make({ ...leaf, issuer: stranger, names: ["localhost"] }),
  };
  for (const [name, tls] of Object.entries(certificates))
    secure[name] = Bun.serve({ hostname: "127.0.0.1", port: 0, tls, fetch: answer });
  writeFileSync(join(home, "ca.pem"), ca.cert);

  wireProcess = Bun.spawn([process.execPath, new URL("../../support/wire-process.ts", import.meta.url).pathname], {
    stdout: "pipe",
  });
  const { value } = await (wireProcess.stdout as ReadableStream<Uint8Array>).getReader().read();
  wire = JSON.parse(new TextDecoder().decode(value));

  const elsewhere = `http://127.0.0.1:${proxy.port}`;
  const args = ["--role", "agent", "--drivers", "none", "--auth", "open", "--state", join(home, "agent")];
  agent = await startSinew(args, {
    NODE_TLS_REJECT_UNAUTHORIZED: "0",
    NODE_EXTRA_CA_CERTS: join(home, "ca.pem"),
    HTTP_PROXY: elsewhere,
    http_proxy: elsewhere,
    HTTPS_PROXY: elsewhere,
    https_proxy: elsewhere,
    ALL_PROXY: elsewhere,
    all_proxy: elsewhere,
    NO_PROXY: "",
    no_proxy: "",
  });
});
afterAll(async () => {
  await endAll();
  wireProcess.kill("SIGKILL");
  proxy.stop(true);
  await Promise.all([wireProcess.exited, peer.stop(true), ...Object.values(secure).map((one) => one.stop(true))]);
  rmSync(home, { recursive: true });
});

const hello = (name: string, endpoint: string) =>
  fetch(`${agent.url}/hello`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ status: "READY", endpoint, name, type: "CRYPTO", api: { min: "1.0", max: "1.0" } }),
  });

async function sourceOf(name: string) {
  let found: HardwareList["sources"][number] | undefined;
  await until(async () => {
    const { sources } = HardwareList.parse(await (await fetch(`${agent.url}/hardware`)).json());
    found = sources.find((one) => one.name === name);
    return found !== undefined && (found.error !== null || found.status === "OK");
  }, 20_000);
  return found;
}

describe("a running agent", () => {
  test("calls a peer of its own host directly, with no credential and no cookie of an earlier answer", async () => {
    for (const name of ["first", "second"])
      expect((await hello(name, peer.url.href.replace("127.0.0.1", "localhost"))).status).toBe(200);
    for (const name of ["first", "second"]) expect(await sourceOf(name)).toMatchObject({ status: "OK", count: 1 });
    expect(seen.length).toBeGreaterThanOrEqual(2);
    for (const { headers, url } of seen) {
      expect([headers.get("authorization"), headers.get("cookie")]).toEqual([null, null]);
      expect(new URL(url).host).toBe(`localhost:${peer.port}`);
    }
  });

  test("believes a certificate for the name, and no other, whatever the environment says", async () => {
    const before = seen.length;
    const at = (name: string) => `https://localhost:${secure[name]?.port}`;
    await hello("other-name", at("otherName"));
    await hello("other-issuer", at("otherIssuer"));
    expect(await sourceOf("other-name")).toMatchObject({ status: "NEVER", error: { code: "unreachable" } });
    expect(await sourceOf("other-issuer")).toMatchObject({ status: "NEVER", error: { code: "unreachable" } });
    expect(seen).toHaveLength(before);
    await hello("good", at("good"));
    expect(await sourceOf("good")).toMatchObject({ status: "OK", count: 1 });
  });

  test.each([
    "http://169.254.169.254/latest/meta-data",
    "http://[::ffff:169.254.169.254]/",
    "http://2852039166/",
    "http://0.0.0.0:1337",
    "http://[::]:1337",
    "http://[fe80::1]:1337",
    "http://224.0.0.1",
    "http://100.100.100.200/",
    "http://10.0.0.7:1337",
    "http://8.8.8.8",
  ])("refuses a hello that names %s with 403 and says why", async (endpoint) => {
    const response = await hello("ssrf", endpoint);
    const { code, detail, errors } = Problem.parse(await response.json());
    expect([response.status, code, errors?.[0]?.pointer]).toEqual([403, "forbidden", "/endpoint"]);
    expect(detail).toMatch(/^endpoint: expected .*, got /);
  });

  test("refuses its own listener in every notation", async () => {
    const { port } = new URL(agent.url);
    for (const host of [
      "127.0.0.1",
      "localhost",
      "LOCALHOST",
      "0x7f.1",
      "127.1",
      "2130706433",
      "[::1]",
      "[::ffff:7f00:1]",
    ])
      expect([host, (await hello("self", `http://${host}:${port}`)).status]).toEqual([host, 400]);
  });

  test("takes no harm from peers that break HTTP", async () => {
    const rss = async () => Number((await Bun.file(`/proc/${agent.pid}/statm`).text()).split(" ")[1]) * 4096;
    const before = process.platform === "linux" ? await rss() : 0;
    for (const name of wire.names)
      expect([name, (await hello(name, `${wire.url}/${name}`)).status]).toEqual([name, 200]);
    for (const name of wire.names) {
      const source = await sourceOf(name);
      if (name === "a-cookie-and-a-second-answer") expect([name, source?.status]).toEqual([name, "OK"]);
      else
        expect([name, source?.error?.code]).toEqual([name, expect.stringMatching(/^(invalid|unreachable|timeout)$/)]);
    }
    expect((await fetch(`${agent.url}/healthz`)).status).toBe(200);
    if (process.platform === "linux") expect((await rss()) - before).toBeLessThan(200 * 2 ** 20);
  });

  test("has called no proxy that its environment names", () => expect(proxied).toBe(0));
});
