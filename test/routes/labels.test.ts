import { afterAll, beforeAll, expect, test } from "bun:test";
import { Problem } from "../../src/contract/problem-schema.ts";
import { NODE } from "../support/tiers.ts";
import { ask, makeTiers, type Tiers } from "./support.ts";

let tiers: Tiers;
beforeAll(async () => {
  tiers = await makeTiers();
});
afterAll(() => tiers.close());

const hello = (labels: string) =>
  `{"status":"READY","endpoint":"http://agent.test:1337","node":{"id":"${NODE.id}","labels":${labels}}}`;
const nodes = (labels: string) => `{"nodes":[{"name":"n1","labels":${labels}}]}`;
const window = (labels: string) => `{"ends_at":"2999-01-01T00:00:00Z","matcher":{"labels":${labels}}}`;
const filter = (labels: string) => `{"filter":{"labels":${labels}}}`;

const some = (count: number) =>
  JSON.stringify(Object.fromEntries(Array.from({ length: count }, (_, n) => [`l${n}`, ""])));
const send = (method: string, path: string, body: string) => ask(tiers.conductor, path, { method, body });

test.each([
  ["POST", "/windows", window, "/matcher/labels", 201],
  ["POST", "/discovery", filter, "/filter/labels", 202],
  ["PUT", "/nodes/expected", nodes, "/nodes/0/labels", 200],
  ["POST", "/hello", hello, "/node/labels", 200],
] as const)(
  "%s %s refuses the label that no record holds, and more labels than 64",
  async (method, path, body, at, good) => {
    for (const [labels, pointer] of [
      ['{"__proto__":"x"}', `${at}/__proto__`],
      ['{"a":"1","__proto__":{"b":"2"}}', `${at}/__proto__`],
      [some(65), at],
      ['["a"]', at],
    ] as const) {
      const answer = await send(method, path, body(labels));
      expect([labels, answer.status]).toEqual([labels, 400]);
      expect(Problem.parse(await answer.json()).errors?.[0]?.pointer).toBe(pointer);
    }
    // These are labels like any other.
    expect((await send(method, path, body(some(64)))).status).toBe(good);
    expect((await send(method, path, body('{"constructor":"x","toString":"y"}'))).status).toBe(good);
  },
);
