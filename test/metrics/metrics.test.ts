import { afterEach, describe, expect, test } from "bun:test";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { createAgent, createDriver, type DriverDevice, type Tier } from "../../src/index.ts";
import { CARD, NODE, quiet, startAgent, startConductor } from "../support/tiers.ts";

const stops: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0).reverse()) await stop();
});

const scrape = async (tier: Pick<Tier, "fetch">) => {
  const answer = await tier.fetch(new Request("http://localhost/metrics"));
  expect(answer.headers.get("content-type")).toStartWith("text/plain; version=0.0.4");
  return answer.text();
};
/** The value of a series; undefined where there is none. */
const numberOf = (text: string, series: string) => {
  const line = text.split("\n").find((one) => one.startsWith(`${series} `));
  return line === undefined ? undefined : Number(line.slice(series.length + 1));
};

async function agentOf(devices: () => DriverDevice[]) {
  const driver = await createDriver({
    ...{ auth: "open", name: "crypto", type: "CRYPTO", world: quiet() },
    discover: async () => devices(),
  });
  const agent = await createAgent({ auth: "open", node: NODE, drivers: [driver], world: quiet() });
  await agent.start();
  stops.push(() => agent.stop());
  const discover = () =>
    agent.fetch(new Request("http://localhost/discovery", { method: "POST", headers: { prefer: "wait=10" } }));
  return { agent, driver, discover };
}

describe("GET /metrics", () => {
  test("of an agent: its devices while they are there, its drivers, and what asking them took", async () => {
    let devices = [CARD, { ...CARD, uuid: "8e45a2ea-5364-4b0d-a252-bf8becaa606f" }];
    const { agent, driver, discover } = await agentOf(() => devices);
    const before = await scrape(agent);
    const sort = 'device_type="CRYPTO",freshness="FRESH",ready="false"';
    expect(numberOf(before, `sinew_devices{${sort}}`)).toBe(2);
    expect(numberOf(before, 'sinew_source_up{source="crypto"}')).toBe(1);
    expect(numberOf(before, 'sinew_pull_duration_seconds_count{source="crypto"}')).toBeGreaterThan(0);
    const series = before.split("\n").filter((line) => line.startsWith("sinew_device_ready{"));
    expect(series).toHaveLength(2);

    devices = [CARD];
    expect((await discover()).status).toBe(200);
    await Bun.sleep(1_100); // what one scrape has read is shared by those of the next second
    const after = await scrape(agent);
    expect(numberOf(after, `sinew_devices{${sort}}`)).toBe(1);
    expect(after.split("\n").filter((line) => line.startsWith("sinew_device_ready{"))).toHaveLength(1);
    expect(numberOf(after, 'sinew_discovery_duration_seconds_count{source="crypto"}')).toBe(1);
    expect(await scrape(driver)).toContain("sinew_devices{");
  });

  test("of an agent whose driver fails: the error by its code, and the source is down", async () => {
    let fails = false;
    const { agent, discover } = await agentOf(() => {
      if (fails) throw new Error("the card is on fire");
      return [CARD];
    });
    fails = true;
    await discover();
    const text = await scrape(agent);
    expect(numberOf(text, 'sinew_source_up{source="crypto"}')).toBe(0);
    expect(text).toMatch(/^sinew_(discovery|pull)_errors_total\{source="crypto",code="\w+"\} [1-9]/m);
  });

  test("has kinds and sources that others make up under one name, and no label of a request's own", async () => {
    const odd = (at: number): DriverDevice => ({
      ...CARD,
      uuid: `8e45a2ea-5364-4b0d-a252-${String(at).padStart(12, "0")}`,
      acc_specs: { ...CARD.acc_specs, device_type: `"} 1\nevil{x="${at}` } as DriverDevice["acc_specs"],
    });
    const { agent } = await agentOf(() => Array.from({ length: 300 }, (_, at) => odd(at)));
    for (const path of ["/nothing/a", "/nothing/b", "/hardware/8e45a2ea-5364-4b0d-a252-000000000001", "/%00"])
      await agent.fetch(new Request(`http://localhost${path}`));
    await agent.fetch(new Request("http://localhost/hardware", { method: "OPTIONS" }));
    const text = await scrape(agent);
    expect(numberOf(text, 'sinew_devices{device_type="other",freshness="FRESH",ready="false"}')).toBe(300);
    expect(text).not.toContain("evil");
    expect(text.split("\n").filter((line) => line.startsWith("sinew_device_ready{"))).toHaveLength(256);
    const routes = new Set([...text.matchAll(/^sinew_http_requests_total\{.*route="([^"]*)"/gm)].map(([, one]) => one));
    expect([...routes].sort()).toEqual(["/hardware/{uuid}", "none"]);
    expect(numberOf(text, 'sinew_http_requests_total{method="other",route="none",status="405"}')).toBe(1);
  });

  test("of a conductor: its nodes, devices, sources, requests and database", async () => {
    const agent = await startAgent();
    stops.push(agent.stop);
    const fleet = await startConductor();
    stops.push(fleet.stop);
    const hello = await fetch(`${fleet.url}/hello`, {
      ...{ method: "POST", headers: { "content-type": "application/json" } },
      body: JSON.stringify({
        ...{ status: "READY", endpoint: agent.url, name: NODE.name, node: { ...NODE, labels: {} } },
        ...{ api: { min: "1.0", max: "1.0" }, generation: "1", boot_id: crypto.randomUUID() },
      }),
    });
    expect(hello.status).toBe(200);
    let text = "";
    while (!text.includes("sinew_devices{")) {
      await Bun.sleep(100);
      text = await scrape(fleet.tier);
    }
    expect(numberOf(text, 'sinew_nodes{state="LIVE"}')).toBe(1);
    expect(numberOf(text, 'sinew_nodes{state="LOST"}')).toBe(0);
    expect(numberOf(text, "sinew_nodes_owned")).toBe(1);
    expect(numberOf(text, 'sinew_sources{status="OK"}')).toBe(1);
    expect(numberOf(text, "sinew_database_up")).toBe(1);
    expect(numberOf(text, "sinew_database_write_duration_seconds_count")).toBeGreaterThan(0);
    expect(numberOf(text, 'sinew_http_requests_total{method="POST",route="/hello",status="200"}')).toBe(1);
  });

  test("has all that the rules and the dashboard ask for", async () => {
    const fleet = await startConductor();
    stops.push(fleet.stop);
    const text = await scrape(fleet.tier);
    const there = new Set([...text.matchAll(/^# TYPE (\S+)/gm)].map(([, name]) => name));
    const contrib = join(import.meta.dir, "../../contrib");
    const files = readdirSync(contrib, { recursive: true, withFileTypes: true }).filter((one) => one.isFile());
    const asked = new Set<string>();
    for (const { parentPath, name } of files)
      for (const [word] of (await Bun.file(join(parentPath, name)).text()).matchAll(/\b(sinew|process)_[a-z_]+/g))
        asked.add(word.replace(/_(bucket|sum|count)$/, ""));
    expect(asked.size).toBeGreaterThan(10);
    expect([...asked].filter((name) => !there.has(name))).toEqual([]);
  });
});
