import { afterEach, describe, expect, test } from "bun:test";
import { Operation } from "../../../src/contract/operation.ts";
import { Problem } from "../../../src/contract/problem-schema.ts";
import { CARD, startAgent, until } from "../../support/tiers.ts";

/** A driver that answers as it likes, and what its agent makes of it: an answer of its own, never a 500. */
const stops: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0).reverse()) await stop();
});

type Answer = (path: string) => Response;
async function agentOf(answer: Answer) {
  const driver = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    fetch(request) {
      const { pathname } = new URL(request.url);
      return pathname === "/hardware" ? Response.json({ hardware: [{ uuid: CARD.uuid }] }) : answer(pathname);
    },
  });
  const agent = await startAgent({ drivers: [], limits: { deadlineMs: 2_000 } });
  stops.push(
    () => agent.stop(),
    async () => void driver.stop(true),
  );
  const hello = { status: "READY", endpoint: `127.0.0.1:${driver.port}`, type: "CRYPTO", name: "hostile" };
  await fetch(`${agent.url}/hello`, { method: "POST", body: JSON.stringify(hello) });
  const url = `${agent.url}/hardware/${CARD.uuid}`;
  await until("the device", async () => (await fetch(url)).ok);
  const post = (body: unknown, headers = {}) =>
    fetch(`${url}/setup`, { method: "POST", body: JSON.stringify(body), headers });
  return {
    agent,
    all: () => Promise.all([fetch(`${url}/telemetry`), fetch(`${url}/history`), post({ dry_run: true }), post({})]),
    post,
  };
}
const problem = (status: number, body: unknown) =>
  new Response(JSON.stringify(body), { status, headers: { "content-type": "application/problem+json" } });

describe("an answer of a driver's", () => {
  const nonsense: [what: string, answer: Answer][] = [
    ["no JSON", () => new Response("<html>")],
    ["another document", () => Response.json({ telemetry: [] })],
    ["wrong types", () => Response.json({ uuid: 7, history: {}, plan: [], operation: "no", measurements: 3 })],
    ["nested without end", () => new Response(`{"uuid":${"[".repeat(30_000)}${"]".repeat(30_000)}}`)],
    ["endless", () => new Response("[".repeat(8 * 2 ** 20))],
    ["compressed", () => new Response(Bun.gzipSync(Buffer.from("{}")), { headers: { "content-encoding": "gzip" } })],
    ["a redirect", () => Response.redirect("http://127.0.0.1:1/")],
    ["an error page", () => new Response("<h1>Oops</h1>", { status: 500 })],
    ["a problem of its own", () => problem(409, { code: "on_fire", detail: "help" })],
    ["a problem that is no such thing", () => problem(409, { code: "setup_refused", detail: 5, errors: "all" })],
    ["who it takes this agent for", () => problem(401, { code: "unauthorized", detail: "who are you?" })],
    ["a bug", () => problem(500, { code: "internal", detail: "a bug" })],
  ];
  test.each(nonsense)("that is %s is 502, with the driver's name", async (_, answer) => {
    const { all } = await agentOf(answer);
    for (const response of await all()) {
      expect(response.status).toBe(502);
      const { code, detail } = Problem.parse(await response.json());
      expect(code).toBe("peer_failed");
      expect(detail).toStartWith("driver hostile: ");
      expect(detail.length).toBeLessThan(2_000);
    }
  });

  test("that refuses is cut to what a reader can use", async () => {
    const errors = Array.from({ length: 500 }, (_, index) => ({ pointer: `held-${index}`, detail: "x".repeat(50) }));
    const { post } = await agentOf(() => problem(409, { code: "setup_refused", detail: "y".repeat(10_000), errors }));
    const refused = Problem.parse(await (await post({})).json());
    expect(refused).toMatchObject({ code: "setup_refused", status: 409 });
    expect(refused.detail).toHaveLength(1_000);
    expect(refused.errors).toHaveLength(64);
  });

  test("that names an operation which it does not know, or never shows right, is an operation that failed", async () => {
    for (const shown of [
      () => problem(404, { code: "not_found", detail: "no such operation" }),
      () => Response.json({}),
    ]) {
      const { post } = await agentOf((path) =>
        path.startsWith("/operations")
          ? shown()
          : Response.json({ status: "IN-PROGRESS", operation: CARD.uuid }, { status: 202 }),
      );
      const response = await post({}, { prefer: "wait=20" });
      expect(response.status).toBe(200);
      const { status, children } = Operation.parse(await response.json());
      expect(status).toBe("FAILED");
      expect(children).toMatchObject([{ name: "setup", status: "FAILED" }]);
    }
  });

  test("that shows far more steps than there are bytes for ends the following, and nothing else", async () => {
    const child = { name: "n".repeat(1_000), endpoint: null, status: "IN-PROGRESS", found: null, error: null };
    const operation = {
      ...{ uuid: CARD.uuid, kind: "setup", status: "IN-PROGRESS", started_at: "2026-11-23T00:00:00Z" },
      ...{ finished_at: null, children: Array.from({ length: 2_000 }, () => child) },
    };
    const { post } = await agentOf((path) =>
      Response.json(path.startsWith("/operations") ? operation : { status: "IN-PROGRESS", operation: CARD.uuid }),
    );
    const ended = Operation.parse(await (await post({}, { prefer: "wait=20" })).json());
    expect(ended.status).toBe("FAILED");
    expect(ended.children[0]?.error).toContain("expected at most");
  });
});
