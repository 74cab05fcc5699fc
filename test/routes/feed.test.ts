import { afterAll, beforeAll, expect, test } from "bun:test";
import { memoryTokens, newSecret, sha256 } from "../../src/auth/token.ts";
import { ChangeList } from "../../src/contract/change.ts";
import { Problem } from "../../src/contract/problem-schema.ts";
import { eventsOf } from "../support/events.ts";
import { type Running, startAgent, startConductor, until } from "../support/tiers.ts";

let conductor: Running;
let agent: Running;
beforeAll(async () => {
  conductor = await startConductor();
  agent = await startAgent({ conductor: conductor.url });
  await until("the agent's card", async () => (await changes()).revision > 1);
});
afterAll(async () => {
  await agent.stop();
  await conductor.stop();
});

const get = (query = "", headers: Record<string, string> = {}) =>
  fetch(`${conductor.url}/changes${query}`, { headers });
const changes = async () => ChangeList.parse(await (await get()).json());
const STREAM = { accept: "text/event-stream" };
const idsOf = async (answer: Response, count: number) => {
  const ids: string[] = [];
  if (!answer.body) throw new Error("expected a body");
  for await (const { id } of eventsOf(answer.body)) {
    if (id !== null) ids.push(id);
    if (ids.length === count) break;
  }
  return ids;
};

test("GET /changes is a list, and a stream of the same to who asks for events", async () => {
  const list = await changes();
  for (const accept of ["*/*", "application/json", "text/event-stream;q=0"])
    expect((await get("", { accept })).headers.get("content-type")).toStartWith("application/json");
  const answer = await get("", STREAM);
  expect(answer.headers.get("content-type")).toBe("text/event-stream");
  expect(await idsOf(answer, list.changes.length)).toEqual(list.changes.map(({ revision }) => String(revision)));
});

test("GET /changes as a stream goes on after Last-Event-ID, whatever `since` says", async () => {
  expect((await idsOf(await get("?since=0", { ...STREAM, "last-event-id": "1" }), 1))[0]).toBe("2");
  expect((await idsOf(await get("?since=0", { ...STREAM, "last-event-id": "" }), 1))[0]).toBe("1");
});

test("GET /changes as a stream refuses what it cannot follow", async () => {
  const bad: [string, Record<string, string>, number, string][] = [
    ["?since=999999", {}, 410, "epoch"],
    [`?epoch=${crypto.randomUUID()}`, {}, 410, "epoch"],
    ["?since=x", {}, 400, "invalid"],
    ["?page_token=MQ", {}, 400, "invalid"],
    ["?unknown=1", {}, 400, "invalid"],
    ["", { "last-event-id": "x" }, 400, "invalid"],
    ["", { "last-event-id": "-1" }, 400, "invalid"],
    ["", { "last-event-id": "99999" }, 410, "epoch"],
  ];
  for (const [query, headers, status, code] of bad) {
    const answer = await get(query, { ...STREAM, ...headers });
    expect([query, headers, answer.status]).toEqual([query, headers, status]);
    expect(Problem.parse(await answer.json()).code).toBe(code as Problem["code"]);
  }
});

test("HEAD of the stream follows nothing, and its connection may idle no longer than another", async () => {
  const answer = await fetch(`${conductor.url}/changes`, { method: "HEAD", headers: STREAM });
  expect([answer.status, answer.headers.get("content-type")]).toEqual([200, "text/event-stream"]);
  const limits = async (method: string) => {
    const set: number[] = [];
    const extend = (seconds: number) => set.push(seconds);
    const request = new Request(`${conductor.url}/changes`, { method, headers: STREAM });
    const { status, body } = await conductor.tier.fetch(request, { remoteAddress: "127.0.0.1", extend });
    expect([method, status]).toEqual([method, 200]);
    const last = set.at(-1);
    await body?.cancel();
    return last;
  };
  // 0: none at all.
  expect(await limits("GET")).toBe(0);
  expect(await limits("HEAD")).not.toBe(0);
  const refused = await fetch(`${conductor.url}/changes?since=999999`, { method: "HEAD", headers: STREAM });
  expect(refused.status).toBe(410);
});

test("GET /changes as a stream ends when its token is revoked, and goes on for another token", async () => {
  const rest = { role: "viewer" as const, name: null, bound_to: null, expires_at: null, uses_left: null };
  const made = ["aaaaaaaaaaaa", "bbbbbbbbbbbb"].map((id) => ({ id, secret: newSecret() }));
  const tokens = memoryTokens(
    await Promise.all(
      made.map(async ({ id, secret }) => ({
        ...{ ...rest, id, hash: await sha256(secret), created_at: new Date().toISOString() },
      })),
    ),
  );
  const guarded = await startConductor({
    auth: { operatorToken: `operator.${newSecret()}`, tokens },
    ...{ invite: (credential: string) => `join ${credential}` },
  });
  const [a, b] = await Promise.all(
    made.map(async ({ id, secret }) => {
      const headers = { ...STREAM, authorization: `Bearer ${id}.${secret}` };
      const answer = await fetch(`${guarded.url}/changes`, { headers });
      expect(answer.status).toBe(200);
      const events = eventsOf(answer.body as ReadableStream<Uint8Array>);
      expect((await events.next()).value?.event).toBe("epoch");
      return events;
    }),
  );
  const other = b?.next();
  expect(await tokens.revoke("aaaaaaaaaaaa")).toBe(true);
  expect((await a?.next())?.done).toBe(true);
  // The other one has heard nothing, and not of an end.
  expect(await Promise.race([other, Bun.sleep(1_500)])).toBeUndefined();
  await guarded.stop();
});
