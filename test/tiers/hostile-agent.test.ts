import { afterAll, beforeAll, expect, test } from "bun:test";
import { HardwareList } from "../../src/contract/hardware.ts";
import { Operation } from "../../src/contract/operation.ts";
import { HOSTILE, resetting, startHostile } from "../support/hostile.ts";
import { CARD, type Running, startAgent, until } from "../support/tiers.ts";

// One agent for all: what one peer does must not be felt by the next either.
let agent: Running;
let hostile: Awaited<ReturnType<typeof startHostile>>;
const memoryBefore = process.memoryUsage().rss;
let current: (request: Request) => Response | Promise<Response>;
const peer = Bun.serve({ port: 0, hostname: "127.0.0.1", idleTimeout: 0, fetch: (request) => current(request) });

beforeAll(async () => {
  hostile = await startHostile();
  agent = await startAgent({
    leaseSeconds: 30,
    limits: { bytes: 3_000_000, devices: 100, deadlineMs: 800, discoveryMs: 900 },
  });
});
afterAll(async () => {
  await agent.stop();
  await Promise.all([peer.stop(true), hostile.stop()]);
});

const hello = (body: object) =>
  fetch(`${agent.url}/hello`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ status: "READY", endpoint: peer.url.href, type: "CRYPTO", ...body }),
  });

/** The agent's list; it must come at once whatever its drivers do. */
async function hardware(): Promise<HardwareList> {
  const began = performance.now();
  const response = await fetch(`${agent.url}/hardware`);
  const list = HardwareList.parse(await response.json());
  expect(response.status).toBe(200);
  expect(performance.now() - began).toBeLessThan(2000);
  return list;
}

async function expectUntouched() {
  const { hardware: devices, sources } = await hardware();
  expect(sources.find(({ name }) => name === "crypto")).toMatchObject({ status: "OK", count: 1, error: null });
  const own = devices.filter(({ source }) => source === "crypto");
  expect(own.map(({ uuid, freshness }) => [uuid, freshness])).toEqual([[CARD.uuid, "FRESH"]]);
}

const failed = (name: string) =>
  until(`an error of ${name}`, async () => (await hardware()).sources.find((source) => source.name === name)?.error);

const leave = (name: string) => hello({ name, status: "LEAVING" });

test.each(HOSTILE.map((one, index) => [one.name, one, index] as const))(
  "an agent holds out against %s",
  async (_, { code, says }, index) => {
    const name = `bad-${index}`;
    expect((await hello({ name, endpoint: `${hostile.url}/${index}` })).status).toBe(200);
    const error = await failed(name);
    expect(error.message).toMatch(says);
    expect(error.code).toBe(code as typeof error.code);
    expect(error.message.length).toBeLessThan(1000);
    await expectUntouched();
    await leave(name);
  },
);

test("an agent holds out against a connection that is cut", async () => {
  const cut = resetting();
  await hello({ name: "cut", endpoint: cut.url });
  expect(await failed("cut")).toMatchObject({ code: "unreachable" });
  await expectUntouched();
  await leave("cut");
  cut.stop();
});

test("an agent keeps last-good devices of a driver that turns bad, and only shows them as old", async () => {
  const good = { ...CARD, uuid: "bbbbbbbb-0000-4000-8000-000000000001" };
  current = () => Response.json({ hardware: [good] });
  await hello({ name: "turning" });
  await until("its device", async () => (await hardware()).hardware.find(({ uuid }) => uuid === good.uuid));
  current = () => new Response("nonsense");
  await hello({ name: "turning" });
  await failed("turning");
  const { hardware: devices, sources } = await hardware();
  expect(devices.find(({ uuid }) => uuid === good.uuid)?.freshness).toBe("STALE");
  expect(sources.find(({ name }) => name === "turning")?.status).toBe("STALE");
  await leave("turning");
});

test("an agent forwards keys such as __proto__ as data", async () => {
  const uuid = "bbbbbbbb-0000-4000-8000-000000000002";
  const capability = '{"__proto__":{"polluted":true},"constructor":{"prototype":{"polluted":true}}}';
  const body = `{"hardware":[{"uuid":"${uuid}","__proto__":{"polluted":true},"acc_specs":{"acc_capability":${capability}}}]}`;
  current = () => new Response(body);
  await hello({ name: "__proto__" });
  await until("its device", async () => (await hardware()).hardware.find((device) => device.uuid === uuid));
  expect(Object.hasOwn(Object.prototype, "polluted")).toBe(false);
  const text = await (await fetch(`${agent.url}/hardware/${uuid}`)).text();
  expect(text).toContain('"__proto__":{"polluted":true}');
  expect(text).toContain(`"acc_capability":${capability}`);
  await leave("__proto__");
});

test("an agent shows a driver's word about node and source as its own knowledge", async () => {
  const uuid = "bbbbbbbb-0000-4000-8000-000000000003";
  current = () =>
    Response.json({
      hardware: [{ uuid, source: "crypto", node: { id: "99999999-0000-4000-8000-000000000000", name: "other" } }],
    });
  await hello({ name: "liar" });
  const device = await until("its device", async () => (await hardware()).hardware.find((one) => one.uuid === uuid));
  expect([device.source, device.node.name]).toEqual(["liar", "lab1"]);
  await expectUntouched();
  await leave("liar");
});

test("an agent whose drivers never end a discovery ends its own, PARTIAL", async () => {
  const operation = crypto.randomUUID();
  current = (request) => {
    const { pathname } = new URL(request.url);
    if (pathname === "/discovery") return Response.json({ status: "IN-PROGRESS", operation }, { status: 202 });
    if (pathname === "/hardware") return Response.json({ hardware: [] });
    const started_at = new Date().toISOString();
    return Response.json({
      uuid: operation,
      kind: "discovery",
      status: "IN-PROGRESS",
      started_at,
      finished_at: null,
      children: [],
    });
  };
  await hello({ name: "endless" });
  const response = await fetch(`${agent.url}/discovery`, { method: "POST", headers: { prefer: "wait=10" } });
  const { status, children } = Operation.parse(await response.json());
  expect([response.status, status]).toEqual([200, "PARTIAL"]);
  const by = Object.fromEntries(children.map((child) => [child.name, child]));
  expect(by.crypto?.status).toBe("SUCCEEDED");
  expect(by.endless?.status).toBe("FAILED");
  expect(by.endless?.error).toContain("not finished");
  await expectUntouched();
  await leave("endless");
});

test("a generation that changes at every GET costs one GET per hello", async () => {
  let asked = 0;
  current = () => Response.json({ hardware: [], sources: [], generation: `g${++asked}` });
  for (let said = 0; said < 5; said += 1) {
    expect((await hello({ name: "restless", api: { min: "1.0", max: "1.0" }, generation: "x" })).status).toBe(200);
  }
  await until(
    "its source",
    async () => (await hardware()).sources.find((one) => one.name === "restless")?.status === "OK",
  );
  await Bun.sleep(100);
  expect(asked).toBeLessThanOrEqual(5);
  await leave("restless");
});

test("hellos in a flood under one name do not become a flood of requests", async () => {
  let open = 0;
  let most = 0;
  current = async () => {
    open += 1;
    most = Math.max(most, open);
    await Bun.sleep(30);
    open -= 1;
    return Response.json({ hardware: [] });
  };
  const answers = await Promise.all(Array.from({ length: 200 }, () => hello({ name: "flood" })));
  expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]));
  await until(
    "its source",
    async () => (await hardware()).sources.find((one) => one.name === "flood")?.status === "OK",
  );
  expect(most).toBe(1);
  await expectUntouched();
  await leave("flood");
});

test("hellos under many names are refused above a bound, with 409 busy", async () => {
  current = () => Response.json({ hardware: [] });
  const answers = await Promise.all(Array.from({ length: 300 }, (_, index) => hello({ name: `many-${index}` })));
  const statuses = Map.groupBy(answers, ({ status }) => status);
  expect([...statuses.keys()].sort()).toEqual([200, 409]);
  expect(statuses.get(200)?.length).toBeLessThanOrEqual(64);
  expect((await hardware()).sources.length).toBeLessThanOrEqual(65);
  await expectUntouched();
});

test("all of that cost little memory", () => {
  Bun.gc(true);
  expect(process.memoryUsage().rss - memoryBefore).toBeLessThan(200 * 2 ** 20);
});
