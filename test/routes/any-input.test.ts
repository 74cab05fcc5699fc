import { afterAll, beforeAll, test } from "bun:test";
import fc from "fast-check";
import { Problem } from "../../src/contract/problem-schema.ts";
import { ask, makeTiers, type Tiers } from "./support.ts";

let tiers: Tiers;
beforeAll(async () => {
  tiers = await makeTiers();
});
afterAll(() => tiers.close());

const UUID = "8e45a2ea-5364-4b0d-a252-bf8becaa606e";
const role = fc.constantFrom("driver" as const, "agent" as const, "conductor" as const);
const path = fc.constantFrom(
  "/hardware",
  `/hardware/${UUID}`,
  "/discovery",
  "/hello",
  `/operations/${UUID}`,
  "/nodes",
  "/nodes/lab1",
  "/sources",
  "/operations",
  "/changes",
  "/alarms",
  `/alarms/${UUID}`,
  `/alarms/${UUID}/acknowledge`,
  "/windows",
  `/windows/${UUID}`,
  "/deliveries",
  "/nodes/expected",
  "/doc",
  "/reference/x",
  "/reference/__proto__",
  "/reference/constructor",
  "/healthz",
  "/x",
);
const method = fc.constantFrom("GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "PROPFIND");
const type = fc.constantFrom(
  undefined,
  "application/json",
  "text/plain",
  "application/problem+json",
  "multipart/form-data; boundary=x",
  "",
);

async function check(answer: Response, what: string) {
  if (answer.status >= 500) throw new Error(`${what}: answered ${answer.status}: ${await answer.text()}`);
  if (answer.status >= 400 && answer.headers.get("content-type") === "application/problem+json") {
    Problem.parse(await answer.json());
  }
}
const bodied = (sent: string) => sent !== "GET";

test("no bytes at any route are a 5xx", async () => {
  await fc.assert(
    fc.asyncProperty(
      role,
      method,
      path,
      type,
      fc.uint8Array({ maxLength: 200 }),
      async (to, sent, at, contentType, bytes) => {
        const headers = new Headers(contentType === undefined ? {} : { "content-type": contentType });
        const body = bodied(sent) ? new Uint8Array(bytes) : undefined;
        await check(await ask(tiers[to], at, { method: sent, headers, body }), `${sent} ${at} at ${to}`);
      },
    ),
    { numRuns: 600 },
  );
});

// Bodies that nearly are a hello get further than any JSON does.
const strange = fc.oneof(
  fc.json().map((text) => JSON.parse(text) as unknown),
  fc.string({ unit: "binary" }),
  fc.constantFrom("\0", "\ud800", "x".repeat(2000), "__proto__", "constructor", "1.0", "READY", "LEAVING", "10.9"),
);
const hello = fc.record(
  {
    status: fc.oneof({ weight: 4, arbitrary: fc.constantFrom("READY", "LEAVING") }, strange),
    endpoint: fc.oneof(
      {
        weight: 4,
        arbitrary: fc.constantFrom("unix:/nowhere.sock", ":1", "unix:/nowhere/2.sock", "http://[::1]:1/a b"),
      },
      strange,
    ),
    type: strange,
    name: fc.oneof(fc.constantFrom("a", "b", "crypto", "__proto__"), strange),
    node: fc.oneof(
      fc.record(
        { id: fc.uuid(), name: strange, labels: fc.dictionary(fc.string(), strange) },
        { requiredKeys: ["id"] },
      ),
      strange,
    ),
    api: fc.oneof(fc.record({ min: fc.constantFrom("1.0", "2.0"), max: fc.constantFrom("1.0", "2.0") }), strange),
    generation: strange,
    boot_id: strange,
  },
  { requiredKeys: ["status", "endpoint"] },
);

test("no JSON at POST /hello and POST /discovery is a 5xx", async () => {
  await fc.assert(
    fc.asyncProperty(role, fc.constantFrom("/hello", "/discovery"), fc.oneof(hello, strange), async (to, at, body) => {
      const headers = { "content-type": "application/json" };
      await check(
        await ask(tiers[to], at, { method: "POST", headers, body: JSON.stringify(body) }),
        `POST ${at} at ${to}`,
      );
    }),
    { numRuns: 800 },
  );
});

test("no query is a 5xx", async () => {
  const key = fc.oneof(
    fc.constantFrom(
      "limit",
      "page_token",
      "node",
      "device_type",
      "vendor_id",
      "ready",
      "freshness",
      "since",
      "epoch",
      "state",
    ),
    fc.string(),
  );
  const value = fc.oneof(
    fc.string({ unit: "binary" }),
    fc.integer().map(String),
    fc.double().map(String),
    fc.string().map((text) => btoa(encodeURIComponent(text))),
    fc.constantFrom("\0", "AA==", btoa("\0"), btoa("9".repeat(15)), "1e3", "0x10", "9007199254740993"),
  );
  await fc.assert(
    fc.asyncProperty(
      role,
      fc.constantFrom("/hardware", "/nodes", "/changes"),
      fc.array(fc.tuple(key, value), { maxLength: 3 }),
      async (to, at, pairs) => {
        const query = new URLSearchParams(pairs.map(([name, text]): [string, string] => [name, text.toWellFormed()]));
        await check(await ask(tiers[to], `${at}?${query}`), `GET ${at}?${query} at ${to}`);
      },
    ),
    { numRuns: 600 },
  );
});

test("no headers are a 5xx", async () => {
  const name = fc.constantFrom(
    "prefer",
    "if-none-match",
    "sinew-api-version",
    "content-type",
    "content-length",
    "accept",
    "host",
    "x-request-id",
  );
  const value = fc.oneof(
    fc.stringMatching(/^[\x21-\x7e]{0,60}$/),
    fc.constantFrom("wait=0", "wait=-1", 'wait="1"', "wait=abc", "W/", "*", '"', "1.0", "99999999999.0"),
  );
  await fc.assert(
    fc.asyncProperty(
      role,
      fc.constantFrom("/hardware", `/operations/${UUID}`),
      name,
      value,
      async (to, at, header, text) => {
        await check(
          await ask(tiers[to], at, { headers: { [header]: text } }),
          `GET ${at} at ${to} with ${header}: ${text}`,
        );
      },
    ),
    { numRuns: 400 },
  );
});
