import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { parseEndpoint } from "../../src/client/endpoint.ts";
import { ALL, type TierName } from "../../src/conform/check.ts";
import { CHECKS, conform, type Verdict } from "../../src/conform/run.ts";
import { FleetHardwareList, HardwareList } from "../../src/contract/hardware.ts";
import { NodeList } from "../../src/contract/node.ts";
import { startStranger } from "../support/stranger-process.ts";
import { type Running, startAgent, startConductor, startDriver, until } from "../support/tiers.ts";

const main = new URL("../../src/main.ts", import.meta.url).pathname;
let tiers: Record<TierName, Running>;

beforeAll(async () => {
  const conductor = await startConductor({ leaseSeconds: 1 });
  const agent = await startAgent({ leaseSeconds: 1, conductor: conductor.url });
  tiers = { conductor, agent, driver: await startDriver() };
});
afterAll(async () => {
  for (const tier of Object.values(tiers)) await tier.stop();
});

const check = (url: string, tier: TierName, patience = 1) =>
  conform({ endpoint: parseEndpoint(url), tier, host: "127.0.0.1", patience });
const names = (verdicts: Verdict[], result: Verdict["result"]) =>
  verdicts.filter((verdict) => verdict.result === result).map(({ name }) => name);

/** Runs the command as people do. */
async function run(...args: string[]) {
  const child = Bun.spawn([process.execPath, main, "conform", ...args], {
    stdout: "pipe",
    stderr: "pipe",
    stdin: "ignore",
  });
  const [out, err, status] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited]);
  return { out, err, status };
}

test.each(["driver", "agent", "conductor"] as const)("a %s of ours has nothing wrong", async (tier) => {
  const verdicts = await check(tiers[tier].url, tier, 10);
  expect(verdicts.filter(({ result }) => result !== "ok")).toEqual([]);
  expect(verdicts.map(({ name }) => name)).toEqual(
    CHECKS.filter(({ tiers: of }) => of.includes(tier)).map(({ name }) => name),
  );
});

test("a conductor that was checked has nothing alive of it afterwards", async () => {
  await check(tiers.conductor.url, "conductor", 10);
  const { nodes } = NodeList.parse(await (await fetch(`${tiers.conductor.url}/nodes`)).json());
  expect(nodes.filter(({ state }) => state === "LIVE").map(({ name }) => name)).toEqual(["lab1"]);
  const { hardware, sources } = FleetHardwareList.parse(await (await fetch(`${tiers.conductor.url}/hardware`)).json());
  expect(hardware.filter(({ freshness }) => freshness !== "GONE").map(({ node }) => node.name)).toEqual(["lab1"]);
  expect(sources.filter(({ count }) => count > 0)).toEqual([]);
});

test("a stranger's driver is held to the seed, and the rest is not offered", async () => {
  const stranger = await startStranger({});
  const verdicts = await check(stranger.endpoint, "driver");
  const seed = verdicts.filter(({ part }) => part === "seed");
  expect(seed.map(({ result }) => result)).toEqual(seed.map(() => "ok"));
  expect(names(verdicts, "wrong")).toEqual([]);
  expect(names(verdicts, "not offered").length).toBeGreaterThan(10);
  await stranger.kill();
});

describe("what an implementation does wrong is told by name", () => {
  /** The request before it was read. */
  type Asked = Pick<Request, "url" | "method">;
  type Change = (response: Response, request: Asked) => Response | Promise<Response>;
  /** A tier of ours with one thing made wrong. */
  async function wrongs(tier: TierName, change: Change): Promise<Verdict[]> {
    const proxy = Bun.serve({
      hostname: "127.0.0.1",
      port: 0,
      async fetch(request) {
        return change(await tiers[tier].tier.fetch(request, { remoteAddress: "127.0.0.1" }), request);
      },
    });
    const verdicts = await check(proxy.url.href, tier);
    await proxy.stop(true);
    return verdicts.filter(({ result }) => result === "wrong");
  }
  const headers =
    (set: Record<string, string | null>): Change =>
    (response) => {
      const changed = new Headers(response.headers);
      for (const [name, value] of Object.entries(set)) value === null ? changed.delete(name) : changed.set(name, value);
      return new Response(response.body, { status: response.status, headers: changed });
    };
  const body =
    (path: string, change: (text: string) => string): Change =>
    async (response, request) => {
      if (new URL(request.url).pathname !== path) return response;
      const text = await response.text();
      return new Response(text && change(text), { status: response.status, headers: response.headers });
    };
  const path = (request: Asked) => new URL(request.url).pathname;

  test.each<[string, Change, RegExp, RegExp]>([
    ["no ETag", headers({ etag: null }), /^GET \/hardware tags/, /null/],
    [
      "problems as plain JSON",
      (r) => (r.status < 400 ? r : headers({ "content-type": "application/json" })(r, r as never)),
      /404.*405/,
      /application\/json/,
    ],
    [
      "setup_required as a string",
      body("/hardware", (text) => text.replace('"setup_required":true', '"setup_required":"yes"')),
      /seed's shape/,
      /setup_required/,
    ],
    [
      "another word than IN-PROGRESS",
      body("/discovery", (text) => text.replace("IN-PROGRESS", "STARTED")),
      /^POST \/discovery without/,
      /STARTED/,
    ],
    ["no Location", headers({ location: null }), /Location/, /none/],
    ["405 without Allow", headers({ allow: null }), /405 with Allow/, /none/],
    [
      "a /doc with dangling references",
      body("/doc", (text) => text.replace('"Operation":', '"Op":')),
      /dangling/,
      /Operation/,
    ],
    [
      "unknown parameters taken",
      (r, q) => (q.url.includes("conform=1") ? Response.json({ hardware: [] }) : r),
      /unknown parameters/,
      /200/,
    ],
    [
      "an operation unknown at once",
      (r, q) => (path(q).startsWith("/operations/") ? new Response("", { status: 500 }) : r),
      /comes to an end/,
      /500/,
    ],
  ])("a driver with %s", async (_, change, name, found) => {
    const wrong = await wrongs("driver", change);
    expect(wrong.map((verdict) => verdict.name).join("\n")).toMatch(name);
    expect(wrong.find((verdict) => name.test(verdict.name))?.found).toMatch(found);
  });

  test("an agent that registers peers and never asks them", async () => {
    const mute: Change = (response, request) => {
      if (path(request) !== "/hello" || request.method !== "POST") return response;
      const registered = { status: "REGISTERED", uuid: crypto.randomUUID(), api: "1.0", lease: { ttl_seconds: 1 } };
      return Response.json(registered, { headers: response.headers });
    };
    const deaf = Bun.serve({
      hostname: "127.0.0.1",
      port: 0,
      fetch: async (request) =>
        path(request) === "/hello"
          ? mute(new Response(null, { headers: { "Sinew-Api-Version": "1.0" } }), request)
          : tiers.agent.tier.fetch(request),
    });
    const wrong = (await check(deaf.url.href, "agent", 0.3)).filter(({ result }) => result === "wrong");
    expect(wrong.map(({ name }) => name)).toContain(
      "a peer that said the seed's hello is asked GET /hardware at its endpoint",
    );
    expect(wrong.map(({ name }) => name)).toContain("a seed peer's device is in GET /hardware as it was sent");
    await deaf.stop(true);
  });

  test.each<[string, () => Response | Promise<Response>]>([
    ["text", () => new Response("garbage \0 \x1b[31m")],
    ["null", () => Response.json(null)],
    ["a list", () => Response.json([])],
    ["bytes", () => new Response(new Uint8Array([0xff, 0x00, 0xfe]))],
    ["500", () => new Response("no", { status: 500 })],
    ["a redirect", () => Response.redirect("http://127.0.0.1:9/")],
    [
      "nonsense in the right places",
      () =>
        Response.json(
          { hardware: [null, 1, { uuid: {} }], sources: 3, operation: [], status: {} },
          { headers: { "Sinew-Api-Version": "1.0", etag: "x" } },
        ),
    ],
  ])("one that answers everything with %s: never a crash", async (_, answer) => {
    const server = Bun.serve({ hostname: "127.0.0.1", port: 0, fetch: answer });
    const all = await Promise.all(ALL.map((tier) => check(server.url.href, tier, 0.1)));
    for (const verdicts of all) {
      expect(verdicts.length).toBeGreaterThan(20);
      expect(names(verdicts, "wrong").length).toBeGreaterThan(2);
      expect(verdicts.filter(({ found }) => found?.includes("TypeError"))).toEqual([]);
    }
    await server.stop(true);
  });
});

test("sinew conform tells line by line, and exits 0 when nothing is wrong", async () => {
  const { out, status } = await run(tiers.driver.url, "--tier", "driver");
  expect(status).toBe(0);
  expect(out).toMatch(/^ok {11}GET \/hardware answers 200 .*\(seed\)$/m);
  expect(out).toMatch(/\d+ right, 0 wrong/);
});

test("sinew conform --json is one document, and exit 1 says that something is wrong", async () => {
  // A driver is no agent: it has no /hello.
  const { out, status } = await run(tiers.driver.url, "--tier", "agent", "--json");
  expect(status).toBe(1);
  const { summary, checks } = JSON.parse(out) as { summary: { wrong: number }; checks: Verdict[] };
  expect(summary.wrong).toBe(names(checks, "wrong").length);
  expect(checks.find(({ name }) => name === "POST /hello takes the seed's body")).toMatchObject({
    result: "wrong",
    part: "seed",
    found: "404",
  });
});

test("sinew conform that is interrupted takes its peers back", async () => {
  const { url } = tiers.agent;
  const child = Bun.spawn([process.execPath, main, "conform", url, "--tier", "agent"], {
    stdout: "pipe",
    stdin: "ignore",
  });
  const guests = async () => {
    const { sources } = HardwareList.parse(await (await fetch(`${url}/hardware`)).json());
    return sources.filter(({ name, status }) => name !== "crypto" && status === "OK").length;
  };
  await until("a peer of its own", guests);
  child.kill("SIGINT");
  expect(await child.exited).toBe(1);
  expect(await guests()).toBe(0);
});

test("sinew conform exits 1 when nobody answers, and 2 for bad usage", async () => {
  const calls = [
    run("http://127.0.0.1:9", "--tier", "driver"),
    run("ftp://x", "--tier", "driver"),
    run("http://x", "--tier", "x"),
    run("http://x"),
  ];
  expect((await Promise.all(calls)).map(({ status }) => status)).toEqual([1, 2, 2, 2]);
});
