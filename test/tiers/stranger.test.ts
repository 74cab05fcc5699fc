import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { FleetHardwareList, HardwareList } from "../../src/contract/hardware.ts";
import { Registered } from "../../src/contract/hello.ts";
import { NodeList } from "../../src/contract/node.ts";
import { Operation } from "../../src/contract/operation.ts";
import { endAll, type RunningSinew, startSinew } from "../support/process.ts";
import { startStranger } from "../support/stranger-process.ts";
import { startDriver, until } from "../support/tiers.ts";

/**
 * The story of a driver written by someone who has the seed and nothing else, as a process beside an agent process and a
 * conductor process. It says hello once in its life. Each test is the next thing that happens.
 */
const UUID = "8e45a2ea-5364-4b0d-a252-bf8becaa606e";
const home = mkdtempSync(join(tmpdir(), "sinew-stranger-"));
let conductor: RunningSinew;
let agent: RunningSinew;
let stranger: Awaited<ReturnType<typeof startStranger>>;

const startAgent = () =>
  startSinew([
    ...["--role", "agent", "--drivers", "none", "--node", "n1", "--lease", "1"],
    ...["--state", join(home, "agent"), "--conductor", conductor.url],
  ]);

beforeAll(async () => {
  conductor = await startSinew(["--role", "conductor", "--state", join(home, "conductor"), "--lease", "1"]);
  agent = await startAgent();
}, 30_000);
afterAll(async () => {
  await stranger?.kill();
  await endAll();
  rmSync(home, { recursive: true, force: true });
});

interface SeedList {
  hardware: [
    {
      uuid: string;
      acc_specs: {
        remote: number;
        num: number;
        device_type: string;
        acc_capability: { ipsec: { aes: { "3des": number } } };
      };
      acc_status: { setup_required: boolean };
    },
  ];
}

const atAgent = async () => HardwareList.parse(await (await fetch(`${agent.url}/hardware`)).json());
const atConductor = async () => FleetHardwareList.parse(await (await fetch(`${conductor.url}/hardware`)).json());
const fresh = async (look: () => Promise<{ hardware: { uuid: string; freshness: string }[] }>, freshness = "FRESH") =>
  (await look()).hardware.some((device) => device.uuid === UUID && device.freshness === freshness);

test("the stranger says hello once, and its device is at the agent", async () => {
  stranger = await startStranger({ upstream: agent.url, type: "CRYPTO" });
  await until("its device at the agent", () => fresh(atAgent));
  const { hardware, sources } = await atAgent();
  const { acc_specs, acc_status, source } = hardware[0] ?? {};
  expect(source).toBe(`http://${stranger.endpoint}`);
  expect(acc_specs?.acc_capability).toEqual({ num: 2, ipsec: { aes: { "3des": 50, num: 1 } } });
  expect(acc_status).toMatchObject({ setup_required: true, reboot_required: false, ready: false });
  expect(sources).toMatchObject([{ type: "CRYPTO", status: "OK", count: 1, error: null }]);
});

test("its device is at the conductor", async () => {
  await until("its device at the conductor", () => fresh(atConductor));
});

test("it is polled: an agent hears of it again without a word from it", async () => {
  const observed = async () => (await atAgent()).sources[0]?.observed_at;
  const first = await observed();
  await until("a later answer", async () => (await observed()) !== first);
});

test("a discovery of the fleet ends well, though it knows no operations", async () => {
  const answer = await fetch(`${conductor.url}/discovery`, { method: "POST", headers: { prefer: "wait=20" } });
  const operation = Operation.parse(await answer.json());
  expect([answer.status, operation.status, operation.children[0]?.found]).toEqual([200, "SUCCEEDED", 1]);
});

test("an agent that was killed remembers it, and asks it without being told", async () => {
  await agent.stop("SIGKILL");
  agent = await startAgent();
  const { sources } = await atAgent();
  expect(sources.map(({ endpoint, status }) => [endpoint, status])).toEqual([[`http://${stranger.endpoint}`, "OK"]]);
  expect(await fresh(atAgent)).toBe(true);
  await until("its device at the conductor", () => fresh(atConductor));
});

test("when it dies its device is old, never gone, here and at the conductor", async () => {
  await stranger.kill();
  await until("STALE at the agent", () => fresh(atAgent, "STALE"));
  expect((await atAgent()).sources[0]).toMatchObject({ status: "STALE", count: 1, error: { code: "unreachable" } });
  await until("STALE at the conductor", () => fresh(atConductor, "STALE"));
  const { sources, sources_summary } = await atConductor();
  expect(sources.map(({ node, status }) => [node.name, status])).toEqual([["n1", "STALE"]]);
  expect(sources_summary).toEqual({ total: 1, ok: 0, stale: 1, never: 0 });
});

test("when it returns where it was, saying nothing, its device is fresh again", async () => {
  stranger = await startStranger({ port: stranger.port });
  await until("FRESH at the agent", () => fresh(atAgent));
  await until("FRESH at the conductor", () => fresh(atConductor));
  expect((await atConductor()).sources).toEqual([]);
});

test("an agent written from the seed joins a conductor the same way, and dies and returns", async () => {
  let other = await startStranger({ upstream: conductor.url });
  const find = async (freshness: string, state: string) => {
    const { nodes } = NodeList.parse(await (await fetch(`${conductor.url}/nodes`)).json());
    const node = nodes.find(({ endpoint }) => endpoint === `http://${other.endpoint}`);
    const devices = (await atConductor()).hardware.filter((device) => device.node.id === node?.id);
    return node?.state === state && node.api === null && devices.length === 1 && devices[0]?.freshness === freshness;
  };
  await until("its device, its node LIVE", () => find("FRESH", "LIVE"));
  await other.kill();
  await until("its device old, its node LOST", () => find("STALE", "LOST"));
  other = await startStranger({ port: other.port });
  await until("its device and node back", () => find("FRESH", "LIVE"));
  await other.kill();
});

test("a conductor that was killed has it all, and a fresh lease for everyone", async () => {
  const { port } = new URL(conductor.url);
  await conductor.stop("SIGKILL");
  conductor = await startSinew([
    ...["--role", "conductor", "--state", join(home, "conductor"), "--lease", "1", "--listen", `127.0.0.1:${port}`],
  ]);
  await until("its device at the conductor", () => fresh(atConductor));
});

test("a client that knows the seed only understands a driver of ours", async () => {
  const driver = await startDriver();
  // Its author trusts what the seed's text shows of each call, and knows no more.
  const started = (await (await fetch(`${driver.url}/discovery`, { method: "POST" })).json()) as { status: string };
  expect(started.status).toBe("IN-PROGRESS");
  const list = (await (await fetch(`${driver.url}/hardware`)).json()) as SeedList;
  const { uuid, acc_specs, acc_status } = list.hardware[0];
  expect(uuid).toBe(UUID);
  expect([acc_specs.remote, acc_specs.num, acc_specs.device_type]).toEqual([0, 1, "CRYPTO"]);
  expect(acc_specs.acc_capability.ipsec.aes["3des"]).toBe(50);
  expect(acc_status.setup_required).toBe(true);
  await driver.stop();
});

test("the seed's hello, said again, is a renewal: the same uuid and a lease", async () => {
  const body = JSON.stringify({ status: "READY", endpoint: stranger.endpoint, type: "CRYPTO" });
  const headers = { "content-type": "application/json" };
  const say = async () =>
    Registered.parse(await (await fetch(`${agent.url}/hello`, { method: "POST", headers, body })).json());
  const first = await say();
  expect(first).toMatchObject({ status: "REGISTERED", api: "1.0", lease: { ttl_seconds: 1 } });
  expect((await say()).uuid).toBe(first.uuid);
});
