import { afterAll, beforeAll, expect, test } from "bun:test";
import { Operation } from "../../src/contract/operation.ts";
import { Problem } from "../../src/contract/problem-schema.ts";
import { ask, makeTiers, type Tiers } from "./support.ts";

let tiers: Tiers;
beforeAll(async () => {
  tiers = await makeTiers();
});
afterAll(() => tiers.close());

const discover = (body?: string, to: "agent" | "conductor" = "conductor") =>
  ask(tiers[to], "/discovery", { method: "POST", body, headers: { prefer: "wait=10" } });

test("POST /discovery at a conductor is about the whole fleet unless its body has a filter", async () => {
  for (const body of [undefined, "", "{}", '{"anything":[1]}', '{"filter":{}}', '{"filter":{"state":"LIVE"}}']) {
    const answer = await discover(body);
    expect([body, answer.status]).toEqual([body, 200]);
    expect(Operation.parse(await answer.json()).summary).toMatchObject({ in_progress: 0 });
  }
});

test("POST /discovery at a conductor refuses a filter that it does not understand", async () => {
  for (const filter of [
    1,
    null,
    [],
    "n1",
    { rack: "a" },
    { state: "live" },
    { labels: { a: 1 } },
    { node: "" },
    { node: "\0" },
  ]) {
    const answer = await discover(JSON.stringify({ filter }));
    expect([filter, answer.status]).toEqual([filter, 400]);
    expect(Problem.parse(await answer.json()).errors?.[0]?.pointer).toStartWith("/filter");
  }
  expect((await discover('{"filter":{"node":"nobody"}}')).status).toBe(404);
});

test("POST /discovery at an agent takes any object: there is nothing to choose from", async () => {
  expect((await discover('{"filter":1}', "agent")).status).toBe(200);
});
