import { afterAll, afterEach, expect, test } from "bun:test";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { HardwareList } from "../../src/contract/hardware.ts";
import { endAll, sinew, startSinew, until } from "../support/process.ts";
import { startScript, stopScripts } from "../support/script.ts";
import { startAgent } from "../support/tiers.ts";

const folder = mkdtempSync(join(tmpdir(), "sinew-examples-"));
const examples = join(import.meta.dir, "../../examples");
afterEach(async () => {
  await stopScripts();
  await endAll();
});
afterAll(() => rmSync(folder, { recursive: true }));

const start = (name: string, ...args: string[]) => startScript([join(examples, `${name}.ts`), ...args]);
const get = async <T>(url: string) => (await (await fetch(url)).json()) as T;

test("every example is run here", () => {
  const known = ["custom-driver.ts", "mount-in-hono.ts", "plain-server.ts", "two-conductors.ts"];
  expect(readdirSync(examples).sort()).toEqual(known);
});

test("examples/custom-driver.ts joins an agent, is listed there, and leaves in order", async () => {
  const agent = await startAgent({ drivers: [] });
  const driver = await start("custom-driver", agent.url);
  const listed = () => get<HardwareList>(`${agent.url}/hardware`);
  await until(async () => (await listed()).hardware.length === 1);
  const { hardware, sources } = await listed();
  expect(hardware[0]).toMatchObject({ source: "example", name: "Example crypto card", acc_status: { ready: true } });
  expect(sources).toMatchObject([{ name: "example", type: "CRYPTO", endpoint: driver.url, status: "OK" }]);
  expect(await driver.stop("SIGTERM")).toBe(0);
  expect((await listed()).sources).toMatchObject([
    { status: "STALE", error: { message: expect.stringContaining("LEAVING") } },
  ]);
  await agent.stop();
});

test("examples/custom-driver.ts shows a driver token to an agent that wants one, and is refused without", async () => {
  const state = join(folder, "strict");
  const agent = await startSinew(["--role", "agent", "--drivers", "none", "--state", state, "--auth", "required"]);
  const token = (await sinew(["token", "create", "--role", "driver", "--driver", "example", "--state", state])).trim();
  const operator = readFileSync(join(state, "operator.token"), "utf8").trim();
  const ask = async (path: string) =>
    (await fetch(`${agent.url}${path}`, { headers: { authorization: `Bearer ${operator}` } })).json();
  const stranger = await start("custom-driver", agent.url);
  await until(async () => JSON.stringify(await ask("/audit")).includes('"path":"/hello","status":401'));
  expect(await stranger.stop("SIGTERM")).toBe(0);
  const env = { DRIVER_TOKEN: token };
  const driver = await startScript([join(examples, "custom-driver.ts"), agent.url], { env });
  await until(async () => ((await ask("/hardware")) as HardwareList).hardware.length === 1);
  expect(await ask("/hardware")).toMatchObject({ sources: [{ name: "example", endpoint: driver.url, status: "OK" }] });
  expect(await driver.stop("SIGTERM")).toBe(0);
});

test("examples/mount-in-hono.ts has an agent beside pages of its own, and asks for a token", async () => {
  const secret = "operator.of-this-test-alone";
  const app = await startScript([join(examples, "mount-in-hono.ts")], { env: { OPERATOR_TOKEN: secret } });
  const as = { authorization: `Bearer ${secret}` };
  expect(await (await fetch(new URL("/", app.url))).text()).toContain("in this machine: 1");
  expect((await fetch(`${app.url}/hardware`)).status).toBe(401);
  expect(await (await fetch(`${app.url}/hardware`, { headers: as })).json()).toMatchObject({
    hardware: [{ name: "Example FPGA", source: "cards", node: { name: "node-1" } }],
    sources: [{ name: "cards", status: "OK" }],
  });
  const started = await fetch(`${app.url}/discovery`, { method: "POST", headers: as });
  expect(started.status).toBe(202);
  const operation = started.headers.get("location") ?? "";
  expect(operation).toStartWith("/accelerators/operations/");
  expect((await fetch(new URL(operation, app.url), { headers: as })).status).toBe(200);
  expect(await get(`${app.url}/doc`)).toMatchObject({ servers: [{ url: "/accelerators" }] });
  expect((await fetch(`${app.url}/nothing`)).headers.get("content-type")).toBe("application/problem+json");
  expect(await app.stop("SIGTERM")).toBe(0);
});

test("examples/plain-server.ts is a conductor that agents join", async () => {
  const conductor = await start("plain-server", `sqlite:${join(folder, "fleet.sqlite")}`);
  const agent = await startAgent({ conductor: conductor.url });
  await until(async () => (await get<HardwareList>(`${conductor.url}/hardware`)).hardware.length === 1);
  await agent.stop();
  expect(await get(`${conductor.url}/nodes`)).toMatchObject({ nodes: [{ name: "lab1", state: "LEFT" }] });
  expect(await conductor.stop("SIGTERM")).toBe(0);
});

test("examples/two-conductors.ts keeps two fleets apart", async () => {
  const { url, stop } = await start("two-conductors", folder);
  const agent = await startSinew([
    ...["--role", "agent", "--drivers", "none", "--node", "one", "--state", join(folder, "state")],
    ...["--conductor", `${url}/edge`],
  ]);
  const nodes = (fleet: string) => get<{ nodes: { name: string }[] }>(`${url}/${fleet}/nodes`);
  await until(async () => (await nodes("edge")).nodes.length === 1);
  expect((await nodes("lab")).nodes).toEqual([]);
  expect((await fetch(`${url}/other/nodes`)).status).toBe(404);
  await agent.stop("SIGTERM");
  expect(await stop("SIGTERM")).toBe(0);
});
