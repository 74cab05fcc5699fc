import { afterEach, expect, test } from "bun:test";
import type { HardwareList } from "../../src/contract/hardware.ts";
import { CARD, startAgent, startConductor, until } from "../support/tiers.ts";

let server: Bun.Server<undefined> | undefined;
afterEach(() => server?.stop(true));

/** A seed peer whose second answer to GET /hardware waits until it is told to go. */
function slowPeer() {
  const asked = Promise.withResolvers<void>();
  const go = Promise.withResolvers<void>();
  let calls = 0;
  server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    async fetch(request) {
      if (request.method === "POST") return Response.json({ status: "IN-PROGRESS" }, { status: 202 });
      calls += 1;
      if (calls > 1) {
        asked.resolve();
        await go.promise;
      }
      return Response.json({ hardware: [CARD] });
    },
  });
  return { endpoint: server.url.host, asked: asked.promise, go: go.resolve };
}

const hello = (url: string, status: string, endpoint: string) =>
  fetch(`${url}/hello`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ status, endpoint, type: "CRYPTO" }),
  });
const list = async (url: string) => (await (await fetch(`${url}/hardware`)).json()) as HardwareList;

test("an agent takes nothing from an answer that was under way when its driver left", async () => {
  const agent = await startAgent({ drivers: [], leaseSeconds: 0.3 });
  const driver = slowPeer();
  await hello(agent.url, "READY", driver.endpoint);
  await driver.asked;
  await hello(agent.url, "LEAVING", driver.endpoint);
  driver.go();
  await Bun.sleep(50);
  const { hardware, sources } = await list(agent.url);
  expect(hardware).toMatchObject([{ freshness: "STALE" }]);
  expect(sources).toMatchObject([{ status: "STALE", error: { message: expect.stringContaining("LEAVING") } }]);
  await agent.stop();
});

test("a conductor takes nothing from an answer that was under way when its agent left", async () => {
  const conductor = await startConductor({ leaseSeconds: 0.3 });
  const agent = slowPeer();
  await hello(conductor.url, "READY", agent.endpoint);
  await until("the device", async () => (await list(conductor.url)).hardware.length === 1);
  await agent.asked;
  await hello(conductor.url, "LEAVING", agent.endpoint);
  agent.go();
  await Bun.sleep(50);
  expect(await (await fetch(`${conductor.url}/nodes`)).json()).toMatchObject({ nodes: [{ state: "LEFT" }] });
  expect((await list(conductor.url)).hardware).toMatchObject([{ freshness: "STALE" }]);
  await conductor.stop();
});
