import { afterAll, afterEach, describe, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Problem } from "../src/contract/problem-schema.ts";
import { createWorker } from "../src/create/worker.ts";
import { denoPath } from "./support/deno.ts";
import { importsOf, reach } from "./support/imports.ts";
import { startScript, stopScripts } from "./support/script.ts";
import { NODE, quiet } from "./support/tiers.ts";

const root = join(import.meta.dir, "..");
const folder = mkdtempSync(join(tmpdir(), "sinew-worker-"));
afterEach(stopScripts);
afterAll(() => rmSync(folder, { recursive: true }));
const database = () => `sqlite:${join(folder, `${crypto.randomUUID()}.sqlite`)}`;

const ask = (worker: ReturnType<typeof createWorker>, path: string, env: unknown) =>
  worker.fetch(new Request(`http://localhost${path}`), env);

async function problemOf(response: Response): Promise<Problem> {
  expect(response.status).toBe(503);
  expect(response.headers.get("content-type")).toBe("application/problem+json");
  return Problem.parse(await response.json());
}

describe("createWorker()", () => {
  test("starts a conductor once, at the first of many requests", async () => {
    const worker = createWorker(quiet());
    const env = { SINEW_AUTH: "open", SINEW_ROLE: "conductor", SINEW_DB: database() };
    const answers = await Promise.all(["/hardware", "/nodes", "/readyz"].map((path) => ask(worker, path, env)));
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200]);
    // A second start would have been an answer for this other, wrong environment.
    expect((await ask(worker, "/hardware", { SINEW_ROLE: "nothing" })).status).toBe(200);
  });

  test("is an agent that remote drivers may join, with nothing on disk", async () => {
    const worker = createWorker(quiet());
    const env = {
      SINEW_AUTH: "open",
      SINEW_ROLE: "agent",
      SINEW_DRIVERS: "none",
      SINEW_NODE_ID: NODE.id,
      SINEW_NODE: NODE.name,
    };
    const answer = await ask(worker, "/hardware", env);
    expect(await answer.json()).toMatchObject({ hardware: [], sources: [] });
  });

  test("is 503 and names every bad variable, until they are right", async () => {
    const worker = createWorker(quiet());
    const bad = {
      SINEW_AUTH: "open",
      SINEW_ROLE: "agent",
      SINEW_DRIVERS: "fgpa",
      SINEW_CONDUCTOR: "ftp://x",
      SINEW_LEASE: "soon",
    };
    const { code, errors } = await problemOf(await ask(worker, "/hardware", bad));
    expect(code).toBe("unavailable");
    expect(errors?.map(({ pointer }) => pointer).sort()).toEqual([
      "SINEW_CONDUCTOR",
      "SINEW_DRIVERS",
      "SINEW_ENDPOINT",
      "SINEW_LEASE",
      "SINEW_NODE_ID",
      "SINEW_STATE_DIR",
    ]);
    expect((await problemOf(await ask(worker, "/", {}))).detail).toContain("SINEW_ROLE: expected one of");
    expect((await problemOf(await ask(worker, "/", { SINEW_ROLE: "conductor" }))).detail).toContain("SINEW_DB");
    expect(
      (await ask(worker, "/nodes", { SINEW_AUTH: "open", SINEW_ROLE: "conductor", SINEW_DB: database() })).status,
    ).toBe(200);
  });

  test("is 503 without the password where the database cannot be opened, and looks again at the next request", async () => {
    const worker = createWorker(quiet());
    const db = "postgres://sinew:s3cret@127.0.0.1:1/none";
    const { detail } = await problemOf(
      await ask(worker, "/hardware", { SINEW_AUTH: "open", SINEW_ROLE: "conductor", SINEW_DB: db }),
    );
    expect(detail).toContain("127.0.0.1:1/none");
    expect(detail).not.toContain("s3cret");
    const file = { SINEW_AUTH: "open", SINEW_ROLE: "conductor", SINEW_DB: `sqlite:${folder}` };
    expect((await problemOf(await ask(worker, "/hardware", file))).detail).toContain("found a directory");
    expect((await ask(worker, "/hardware", { ...file, SINEW_DB: database() })).status).toBe(200);
  });
});

describe("src/worker.ts", () => {
  const sources = [...new Bun.Glob("src/**/*.ts").scanSync(root)];
  const imports = sources.flatMap((file) => importsOf(file, readFileSync(join(root, file), "utf8")));
  const isHost = (path: string) => /^(bun|node):/.test(path) || path === "bun";

  test("imports no bun: or node: module statically, in whatever it reaches", () => {
    const ways = reach("src/worker.ts", imports, ({ typeOnly, dynamic }) => !typeOnly && !dynamic);
    expect(ways.has("src/create/worker.ts")).toBe(true);
    expect([...ways.values()].filter((way) => isHost(way.at(-1) ?? ""))).toEqual([]);
  });

  test("neither do the tiers that it loads, outside of src/db and src/cli", () => {
    const may = /^src\/(?:ffi|db|cli)\//;
    const ways = reach("src/worker.ts", imports, (one) => {
      // What a module loads when it is called may be of the runtime it is called on.
      const loadsHost = one.dynamic && isHost(one.to);
      return !one.typeOnly && !loadsHost && !may.test(one.from);
    });
    expect(ways.has("src/tiers/conductor/conductor.ts")).toBe(true);
    expect(ways.has("src/tiers/agent/agent.ts")).toBe(true);
    expect([...ways.values()].filter((way) => isHost(way.at(-1) ?? ""))).toEqual([]);
  });

  const env = () => ({ SINEW_AUTH: "open", SINEW_ROLE: "conductor", SINEW_DB: database() });
  const bound = /^http:\/\/127\.0\.0\.1:\d+$/;
  const script = join(root, "src/worker.ts");

  test("is served by Bun, on loopback", async () => {
    const { url } = await startScript([script], { env: env() });
    expect(url).toMatch(bound);
    expect((await fetch(`${url}/hardware`)).status).toBe(200);
  });

  test.skipIf(!denoPath)("is served by Deno", async () => {
    const args = ["serve", "-A", "--no-lock", "--host", "127.0.0.1", "--port", "0", script];
    const { url } = await startScript(args, { runtime: denoPath ?? "", env: env() });
    expect((await fetch(`${url}/hardware`)).status).toBe(200);
    // The caller's address comes with Deno's second argument; an agent may announce its port alone.
    const hello = await fetch(`${url}/hello`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ status: "READY", endpoint: ":9", name: "n", node: NODE }),
    });
    expect(hello.status).toBe(200);
    expect(await (await fetch(`${url}/nodes`)).json()).toMatchObject({ nodes: [{ endpoint: "http://127.0.0.1:9" }] });
  });
});
