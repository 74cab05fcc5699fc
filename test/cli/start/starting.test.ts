import { expect, test } from "bun:test";
import { whileStarting } from "../../../src/cli/start/starting.ts";
import { Problem } from "../../../src/contract/problem-schema.ts";

const starting = whileStarting({ role: "all", driver: null, auth: "open", exposed: false }, "node-1");
const ask = (path: string, method = "GET") => starting(new Request(`http://localhost${path}`, { method }));

test("while a role starts /healthz says that the process answers, as the role itself will", async () => {
  const response = await ask("/healthz");
  expect(response.status).toBe(200);
  expect(response.headers.get("sinew-api-version")).toBe("1.0");
  expect(await response.json()).toEqual({ status: "ok", role: "conductor", name: "conductor", auth: "open" });
  expect((await ask("/healthz?x=1", "HEAD")).status).toBe(200);
});

test("while a role starts everything but /healthz is a 503 problem that says when to ask again", async () => {
  for (const [path, method] of [
    ["/readyz", "GET"],
    ["/hardware", "GET"],
    ["/healthz", "POST"],
    ["/agent/healthz", "GET"],
    ["/hello?/healthz", "POST"],
  ] as const) {
    const response = await ask(path, method);
    expect([path, response.status]).toEqual([path, 503]);
    expect(response.headers.get("content-type")).toBe("application/problem+json");
    expect(response.headers.get("retry-after")).toBe("1");
    expect(Problem.parse(await response.json()).code).toBe("unavailable");
  }
});

test("the name at /healthz while an agent or a driver starts is the one it will have", async () => {
  for (const [role, name] of [
    ["agent", "node-1"],
    ["driver", "gpu"],
  ] as const) {
    const early = await whileStarting(
      { role, driver: "gpu", auth: "open", exposed: false },
      "node-1",
    )(new Request("http://localhost/healthz"));
    expect(await early.json()).toEqual({ status: "ok", role, name, auth: "open" });
  }
});
