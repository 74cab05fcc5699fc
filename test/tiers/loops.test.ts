import { afterEach, beforeEach, expect, test } from "bun:test";
import { FleetHardwareList, HardwareList } from "../../src/contract/hardware.ts";
import { Operation } from "../../src/contract/operation.ts";
import { type Running, startAgent, startConductor, until } from "../support/tiers.ts";

// A tier that asks itself, or one above, would wait for its own answer until every deadline is over.
let conductor: Running;
let agent: Running;
let other: Running;
beforeEach(async () => {
  conductor = await startConductor();
  agent = await startAgent({ conductor: conductor.url });
  other = await startAgent({ drivers: [], node: { id: crypto.randomUUID(), name: "other" } });
  await until("the card", async () => (await fleet()).hardware.length === 1);
});
afterEach(async () => {
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
  ["the agent itself, by another name", () => agent.url.replace("127.0.0.1", "localhost"), "agent"],
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

test("an agent that says it is the conductor, by another name, is an error of its source at once", async () => {
  await hello(conductor, conductor.url.replace("127.0.0.1", "localhost"));
  const source = await until("the error", async () => (await fleet()).sources[0]);
  expect(source.error).toMatchObject({ code: "http_status", message: refusal("conductor", "conductor") });
  expect((await fleet()).hardware).toMatchObject([{ source: "crypto", freshness: "FRESH" }]);
});
