import { afterAll, beforeAll, expect, test } from "bun:test";
import { FleetHardwareList } from "../../../src/contract/hardware.ts";
import { NodeList } from "../../../src/contract/node.ts";
import { Operation } from "../../../src/contract/operation.ts";
import { HOSTILE, resetting, startHostile } from "../../support/hostile.ts";
import { CARD, NODE, type Running, startAgent, startConductor, until } from "../../support/tiers.ts";

let conductor: Running;
let agent: Running;
let hostile: Awaited<ReturnType<typeof startHostile>>;
let current: (request: Request) => Response | Promise<Response>;
const peer = Bun.serve({ port: 0, hostname: "127.0.0.1", idleTimeout: 0, fetch: (request) => current(request) });
const FULL = { api: { min: "1.0", max: "1.0" }, generation: "g1" };

beforeAll(async () => {
  const limits = { bytes: 3_000_000, devices: 100, deadlineMs: 800, discoveryMs: 900 };
  [hostile, conductor] = await Promise.all([startHostile(), startConductor({ leaseSeconds: 60, limits })]);
  agent = await startAgent({ conductor: conductor.url });
  await until("the good agent's device", async () => (await hardware()).hardware.length === 1);
});
afterAll(async () => {
  await agent.stop();
  await conductor.stop();
  await Promise.all([peer.stop(true), hostile.stop()]);
});

const id = (index: number) => `cccccccc-0000-4000-8000-${index.toString(16).padStart(12, "0")}`;
const hello = (index: number, body: object = {}, to = conductor) =>
  fetch(`${to.url}/hello`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({
      status: "READY",
      endpoint: peer.url.href,
      node: { id: id(index), name: `bad-${index}` },
      ...FULL,
      ...body,
    }),
  });

async function hardware(query = "?limit=1000"): Promise<ReturnType<typeof FleetHardwareList.parse>> {
  const began = performance.now();
  const response = await fetch(`${conductor.url}/hardware${query}`);
  expect(response.status).toBe(200);
  const list = FleetHardwareList.parse(await response.json());
  expect(performance.now() - began).toBeLessThan(2000);
  return list;
}

async function expectUntouched() {
  const { hardware: devices, sources } = await hardware();
  const own = devices.filter(({ node }) => node.id === NODE.id);
  expect(own.map(({ uuid, freshness }) => [uuid, freshness])).toEqual([[CARD.uuid, "FRESH"]]);
  expect(sources.filter(({ node }) => node.id === NODE.id)).toEqual([]);
}

const failed = (index: number) =>
  until(`an error of node ${index}`, async () => {
    const { sources } = await hardware();
    return sources.find((source) => source.node.id === id(index) && source.name === "agent")?.error;
  });
const leave = (index: number) => hello(index, { status: "LEAVING" });

test.each(HOSTILE.map((one, index) => [one.name, one, index] as const))(
  "a conductor holds out against %s",
  async (_, { code, says }, index) => {
    expect((await hello(index, { endpoint: `${hostile.url}/${index}` })).status).toBe(200);
    const error = await failed(index);
    expect(error.message).toMatch(says);
    expect(error.code).toBe(code as typeof error.code);
    await expectUntouched();
    await leave(index);
  },
);

test("a conductor holds out against a connection that is cut", async () => {
  const cut = resetting();
  await hello(200, { endpoint: cut.url });
  expect((await failed(200)).code).toBe("unreachable");
  await expectUntouched();
  await leave(200);
  cut.stop();
});

const SOURCE = { name: "gpu", type: "GPU", endpoint: null, status: "OK", observed_at: null, count: 0, error: null };

test.each([
  ["a source twice", [SOURCE, SOURCE], /each name once/],
  ["a source named with U+0000", [{ ...SOURCE, name: "a\0b" }], /\/sources\/0\/name/],
  ["2,000 sources", Array.from({ length: 2000 }, (_, n) => ({ ...SOURCE, name: `s${n}` })), /\/sources/],
])("a conductor holds out against an agent that lists %s", async (_, sources, says) => {
  current = () => Response.json({ hardware: [], sources, generation: "g1" });
  const index = 210 + sources.length;
  await hello(index);
  expect((await failed(index)).message).toMatch(says);
  await expectUntouched();
  await leave(index);
});

test("a conductor takes an agent's word for no node but its own", async () => {
  const device = { ...CARD, source: "crypto", node: NODE };
  current = () => Response.json({ hardware: [device], sources: [{ ...SOURCE, name: "crypto" }], generation: "g1" });
  await hello(220);
  const found = await until("its device", async () =>
    (await hardware()).hardware.find(({ node }) => node.id === id(220)),
  );
  expect([found.uuid, found.node.name]).toEqual([CARD.uuid, "bad-220"]);
  await expectUntouched();
  await leave(220);
});

test("a conductor shows an agent's last-good devices as old while it answers badly, and never as gone", async () => {
  const uuid = "dddddddd-0000-4000-8000-000000000001";
  current = () => Response.json({ hardware: [{ ...CARD, uuid, source: "gpu" }], sources: [SOURCE], generation: "g1" });
  await hello(230);
  const find = async () => (await hardware()).hardware.find((device) => device.uuid === uuid);
  await until("its device", find);
  current = () => new Response("{", { status: 200 });
  await hello(230, { generation: "g2" });
  await failed(230);
  expect((await find())?.freshness).toBe("STALE");
  await leave(230);
});

test("a conductor whose agent's operation never ends finishes its own, PARTIAL", async () => {
  const operation = crypto.randomUUID();
  const started_at = new Date().toISOString();
  current = (request) => {
    const { pathname } = new URL(request.url);
    if (pathname === "/hardware") return Response.json({ hardware: [], sources: [], generation: "g1" });
    if (pathname === "/discovery") return Response.json({ status: "IN-PROGRESS", operation }, { status: 202 });
    return Response.json({
      uuid: operation,
      kind: "x",
      status: "IN-PROGRESS",
      started_at,
      finished_at: null,
      children: [],
    });
  };
  await hello(240);
  const response = await fetch(`${conductor.url}/discovery`, { method: "POST", headers: { prefer: "wait=20" } });
  const { status, children } = Operation.parse(await response.json());
  expect([response.status, status]).toEqual([200, "PARTIAL"]);
  const by = Object.fromEntries(children.map((child) => [child.name, child]));
  expect(by[NODE.name]?.status).toBe("SUCCEEDED");
  expect(by["bad-240"]?.error).toContain("not finished");
  await leave(240);
});

test("a generation that changes at every GET writes no device again", async () => {
  let asked = 0;
  current = () =>
    Response.json({ hardware: [{ ...CARD, source: "gpu" }], sources: [SOURCE], generation: `g${++asked}` });
  await hello(250);
  await until("its device", async () => (await hardware()).hardware.some(({ node }) => node.id === id(250)));
  const { revision } = await hardware();
  for (let said = 0; said < 5; said += 1) await hello(250, { generation: "never" });
  await until("five more answers", async () => asked >= 2);
  await Bun.sleep(100);
  expect(asked).toBeLessThanOrEqual(6);
  expect((await hardware()).revision).toBe(revision);
  await leave(250);
});

test("hellos in a flood are answered, and their agents are asked a few at a time", async () => {
  let open = 0;
  let most = 0;
  current = async () => {
    open += 1;
    most = Math.max(most, open);
    await Bun.sleep(10);
    open -= 1;
    return Response.json({ hardware: [], sources: [], generation: "g1" });
  };
  // One of its own, as patient as conductors are: with the short deadline of the others a busy machine fails the peer.
  const other = await startConductor();
  const answers = await Promise.all(Array.from({ length: 300 }, (_, index) => hello(1000 + (index % 100), {}, other)));
  expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]));
  await until("their generations", async () => {
    const { nodes } = NodeList.parse(await (await fetch(`${other.url}/nodes?limit=1000&state=LIVE`)).json());
    return nodes.length === 100 && nodes.every(({ generation }) => generation === "g1");
  });
  expect(most).toBeLessThanOrEqual(16);
  await other.stop();
});
