import { afterEach, beforeEach, expect, test } from "bun:test";
import { FleetHardwareList, HardwareList } from "../../src/contract/hardware.ts";
import { Operation } from "../../src/contract/operation.ts";
import { type Running, startAgent, startConductor, until } from "../support/tiers.ts";

// A tier that asks itself, or one above, would wait for its own answer until every deadline is over.
let conductor: Running;
let agent: Running;
let other: Running;
/** Stands in front of a tier, as a proxy does: nothing in the address says whose it is. */
const proxy = (tier: Running) =>
  Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    fetch: async (request) => tier.tier.fetch(request, { remoteAddress: "127.0.0.1" }),
  });
let before: Record<"agent" | "conductor", ReturnType<typeof proxy>>;
beforeEach(async () => {
  conductor = await startConductor();
  agent = await startAgent({ conductor: conductor.url });
  other = await startAgent({ drivers: [], node: { id: crypto.randomUUID(), name: "other" } });
  before = { agent: proxy(agent), conductor: proxy(conductor) };
  await until("the card", async () => (await fleet()).hardware.length === 1);
});
afterEach(async () => {
  await Promise.all([before.agent.stop(true), before.conductor.stop(true)]);
  await agent.stop();
  await other.stop();
  await conductor.stop();
});

const fleet = async () => FleetHardwareList.parse(await (await fetch(`${conductor.url}/hardware`)).json());
const hello = (to: Running, endpoint: string) =>
  fetch(`${to.url}/hello`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ status: "READY", endpoint, name: "loop", api: { min: "1.0", max: "1.0" } }),
  });
const refusal = (role: string, asker: string) => expect.stringContaining(`above this ${role}, got ${asker}`);

test.each([
  ["the agent itself, behind a proxy", () => before.agent.url.href, "agent"],
  ["another agent", () => other.url, "agent"],
  ["the agent's conductor", () => conductor.url, "conductor"],
])(
  "a driver that says it is %s is an error of its source at once, and the discovery goes on",
  async (_, endpoint, role) => {
    expect((await hello(agent, endpoint())).status).toBe(200);
    const began = performance.now();
    const options = { method: "POST", headers: { prefer: "wait=20" } };
    const operation = Operation.parse(await (await fetch(`${conductor.url}/discovery`, options)).json());
    expect(operation).toMatchObject({ status: "PARTIAL", children: [{ found: 1 }] });
    expect(performance.now() - began).toBeLessThan(5000);
    const { hardware, sources } = HardwareList.parse(await (await fetch(`${agent.url}/hardware`)).json());
    expect(hardware).toMatchObject([{ source: "crypto", freshness: "FRESH" }]);
    expect(sources.find(({ name }) => name === "loop")?.error).toMatchObject({
      code: "http_status",
      message: refusal(role, "agent"),
    });
  },
);

test("an agent that says it is the conductor, behind a proxy, is an error of its source at once", async () => {
  await hello(conductor, before.conductor.url.href);
  const source = await until("the error", async () => (await fleet()).sources[0]);
  expect(source.error).toMatchObject({ code: "http_status", message: refusal("conductor", "conductor") });
  expect((await fleet()).hardware).toMatchObject([{ source: "crypto", freshness: "FRESH" }]);
});
