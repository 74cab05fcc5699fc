import { afterAll, beforeAll, expect, test } from "bun:test";
import fc from "fast-check";
import { type Caller, IN_PROCESS } from "../../src/auth/caller.ts";
import { AuditList } from "../../src/contract/access/audit.ts";
import { Hardware } from "../../src/contract/hardware.ts";
import { Node } from "../../src/contract/node.ts";
import { Problem } from "../../src/contract/problem-schema.ts";
import { CARD, NODE, until } from "../support/tiers.ts";
import { ask, makeTiers, post, type Tiers } from "./support.ts";

let tiers: Tiers;
beforeAll(async () => {
  tiers = await makeTiers();
  await post(tiers.conductor, "/hello", { status: "READY", endpoint: "http://agent.test:1337", node: NODE });
  await until("its hardware", async () => (await ask(tiers.conductor, `/hardware/${SECOND}`)).status === 200);
});
afterAll(() => tiers.close());

const SECOND = "9e45a2ea-5364-4b0d-a252-bf8becaa606e";
/** As an admin of the same process; `open` lets nobody else. */
const send = async (method: string, path: string, body?: unknown, type = "application/json") =>
  tiers.conductor.fetch(
    new Request(`http://localhost${path}`, {
      method,
      ...(body === undefined ? {} : { body: typeof body === "string" ? body : JSON.stringify(body) }),
      headers: body === undefined ? {} : { "content-type": type },
    }),
    { remoteAddress: null, caller: IN_PROCESS },
  );

async function problem(answer: Promise<Response>) {
  const response = await answer;
  const { code, errors } = Problem.parse(await response.json());
  return [response.status, code, errors?.[0]?.pointer];
}

test("PATCH and DELETE are for admins: who has said nothing is none of them, in auth mode open either", async () => {
  for (const [method, path] of [
    ["PATCH", `/nodes/${NODE.id}`],
    ["DELETE", `/nodes/${NODE.id}`],
    ["PATCH", `/hardware/${SECOND}`],
    ["DELETE", `/hardware/${SECOND}`],
  ] as const) {
    const body = method === "PATCH" ? { body: "{}", headers: { "content-type": "application/json" } } : {};
    expect([path, (await ask(tiers.conductor, path, { method, ...body })).status]).toEqual([path, 403]);
  }
});

test("PATCH /nodes/{node} takes a merge patch under either type, by id or name", async () => {
  const answer = await send("PATCH", "/nodes/lab1", { labels: { rack: "7" } }, "application/merge-patch+json");
  expect(answer.status).toBe(200);
  expect(Node.parse(await answer.json())).toMatchObject({ labels: { rack: "7" }, said: { name: "lab1", labels: {} } });
  const second = await send("PATCH", `/nodes/${NODE.id.toUpperCase()}`, { cordoned: { comment: "x" }, labels: null });
  expect(Node.parse(await second.json())).toMatchObject({ labels: {}, said: null, cordoned: { comment: "x" } });
  const listed = await (await ask(tiers.conductor, "/nodes?cordoned=true")).json();
  expect(listed).toMatchObject({ nodes: [{ id: NODE.id }] });
  expect(await (await send("PATCH", "/nodes/lab1", {})).json()).toMatchObject({ cordoned: { comment: "x" } });
  expect((await send("PATCH", "/nodes/lab1", { cordoned: null })).status).toBe(200);
});

test("PATCH /hardware/{uuid} answers the device, and 409 where two are", async () => {
  const answer = await send("PATCH", `/hardware/${SECOND.toUpperCase()}`, { cordoned: true });
  expect(Hardware.parse(await answer.json()).cordoned).toMatchObject({ by: "in-process", of: "device" });
  expect((await send("PATCH", `/hardware/${SECOND}`, { cordoned: null })).status).toBe(200);
  expect(await problem(send("PATCH", `/hardware/${CARD.uuid}`, { cordoned: true }))).toEqual([
    409,
    "ambiguous_uuid",
    undefined,
  ]);
});

test("who of this machine did it is who they say, in one line that can be stored; nobody else is", async () => {
  const patch = async (caller: Caller, actor: string) => {
    const request = new Request("http://localhost/nodes/lab1", {
      method: "PATCH",
      body: JSON.stringify({ cordoned: { comment: `of ${actor.slice(0, 9)}` } }),
      headers: { "content-type": "application/json", "sinew-actor": actor },
    });
    const answer = await tiers.conductor.fetch(request, { remoteAddress: null, caller });
    return Node.parse(await answer.json()).cordoned?.by;
  };
  const local: Caller = { role: "admin", name: "this node", local: true };
  expect(await patch(local, "ada%40c1")).toBe("ada@c1");
  expect(await patch(local, "a%00%1b%E2%80%AEb")).toBe("a???b");
  expect(await patch(local, "100%")).toBe("100%");
  expect(await patch(local, "x".repeat(5_000))).toBe("x".repeat(300));
  expect(await patch(local, "")).toBe("this node");
  expect(await patch({ role: "admin", name: "token 7 (ada)" }, "root%40c1")).toBe("token 7 (ada)");
});

test("who did it stays in the audit trail", async () => {
  await send("PATCH", "/nodes/lab1", { cordoned: null });
  const { audit } = AuditList.parse(await (await send("GET", "/audit")).json());
  expect(audit).toContainEqual(
    expect.objectContaining({ kind: "write", method: "PATCH", path: "/nodes/lab1", caller: "in-process", status: 200 }),
  );
});

test("what is still there is 409, what is not is 404", async () => {
  const absent = "00000000-0000-4000-8000-000000000000";
  expect(await problem(send("DELETE", "/nodes/lab1"))).toEqual([409, "busy", undefined]);
  expect(await problem(send("DELETE", `/hardware/${SECOND}`))).toEqual([409, "busy", undefined]);
  for (const [method, path] of [
    ["DELETE", `/nodes/${absent}`],
    ["DELETE", `/hardware/${absent}`],
    ["PATCH", "/nodes/nobody"],
    ["PATCH", `/hardware/${absent}`],
  ] as const)
    expect([path, ...(await problem(send(method, path, method === "PATCH" ? {} : undefined)))]).toEqual([
      ...[path, 404, "not_found", undefined],
    ]);
});

const some = (count: number) => Object.fromEntries(Array.from({ length: count }, (_, n) => [`l${n}`, ""]));

test.each([
  [{ name: "" }, "/name"],
  [{ name: "a\0b" }, "/name"],
  [{ name: "two words" }, "/name"],
  [{ name: ".." }, "/name"],
  [{ name: "x".repeat(254) }, "/name"],
  [{ name: 7 }, "/name"],
  ['{"labels":{"__proto__":"x"}}', "/labels/__proto__"],
  [{ labels: some(65) }, "/labels"],
  [{ labels: ["a"] }, "/labels"],
  [{ labels: { "": "x" } }, "/labels/"],
  [{ labels: { "a\0": "x" } }, "/labels/a\0"],
  [{ labels: { a: "\0" } }, "/labels/a"],
  ['{"labels":{"a":"\\ud800"}}', "/labels/a"],
  [{ labels: { a: 1 } }, "/labels/a"],
  [{ cordoned: false }, "/cordoned"],
  [{ cordoned: { comment: "" } }, "/cordoned/comment"],
  [{ cordoned: { because: "x" } }, "/cordoned"],
  [{ state: "LIVE" }, "/"],
  ["[]", "/"],
  ["{", undefined],
  ["", undefined],
])("PATCH /nodes/{node} refuses %j", async (body, pointer) => {
  expect(await problem(send("PATCH", "/nodes/lab1", body))).toEqual([400, "invalid", pointer]);
});

test("PATCH takes nothing that is no JSON", async () => {
  expect((await send("PATCH", "/nodes/lab1", "name=x", "text/plain")).status).toBe(415);
});

test("whatever JSON a patch is, it is taken or refused, and leaves a node that can be read", async () => {
  const key = fc.oneof(fc.string(), fc.constantFrom("__proto__", "constructor", "toString", "rack", "a\0"));
  const labels = fc.dictionary(key, fc.oneof(fc.string(), fc.constant(null), fc.jsonValue()), {
    noNullPrototype: true,
  });
  const patch = fc.oneof(
    fc.jsonValue(),
    fc.record({ labels, name: fc.option(fc.string()), cordoned: fc.jsonValue() }, { requiredKeys: [] }),
    fc.record({ labels }),
  );
  await fc.assert(
    fc.asyncProperty(patch, async (body) => {
      const answer = await send("PATCH", `/nodes/${NODE.id}`, JSON.stringify(body));
      if (answer.status >= 500) throw new Error(`${answer.status}: ${await answer.text()}`);
      Node.parse(await (await ask(tiers.conductor, `/nodes/${NODE.id}`)).json());
    }),
    { numRuns: 200 },
  );
});
