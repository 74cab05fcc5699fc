import { afterAll, afterEach, describe, expect, test } from "bun:test";
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseEndpoint } from "../../src/client/endpoint.ts";
import { conform } from "../../src/conform/run.ts";
import type { HardwareList } from "../../src/contract/hardware.ts";
import { NodeList } from "../../src/contract/node.ts";
import { Operation } from "../../src/contract/operation.ts";
import { cleanEnv, run } from "../cli/run.ts";
import { databases } from "../support/databases.ts";
import { denoPath } from "../support/deno.ts";
import { eventsOf } from "../support/events.ts";
import { endAll, sinew, startSinew, until } from "../support/process.ts";
import { startScript, stopScripts } from "../support/script.ts";
import { CARD, startDriver } from "../support/tiers.ts";

// The second runtime, as a real process each time. Its drivers are other processes: the built-in ones need Bun's FFI.
const folder = mkdtempSync(join(tmpdir(), "sinew-deno-"));
const state = (name: string) => join(folder, name);
afterEach(async () => {
  await endAll();
  await stopScripts();
});
afterAll(() => rmSync(folder, { recursive: true }));

const MAIN = ["run", "-A", "--no-lock", join(import.meta.dir, "../../src/main.ts"), "start"];
const LOCAL = ["--listen", "127.0.0.1:0"];
const start = (...args: string[]) => startScript([...MAIN, ...args, "--auth", "open"], { runtime: denoPath ?? "" });
const conductorOf = (name: string, db: string) =>
  start("--role", "conductor", "--db", db, "--state", state(name), "--lease", "1", ...LOCAL);
/** What `sinew conform` does not find right. */
const wrongOf = async (url: string, tier: "agent" | "conductor") =>
  (await conform({ endpoint: parseEndpoint(url), tier, host: "127.0.0.1", patience: 10 })).filter(
    ({ result }) => result !== "ok",
  );
const get = async <T>(url: string, unix?: string) => (await (await fetch(url, { unix })).json()) as T;
const json = (body: unknown, headers: Record<string, string> = {}) => ({
  method: "POST",
  headers: { "content-type": "application/json", ...headers },
  body: JSON.stringify(body),
});
const post = (url: string, body: unknown, headers: Record<string, string> = {}) => fetch(url, json(body, headers));

describe.skipIf(!denoPath)("on Deno", () => {
  describe.each(databases)("with $name", ({ name, empty }) => {
    test("a conductor and an agent without built-in drivers pass conform, and survive kill -9", async () => {
      const database = await empty();
      const conductor = await conductorOf(`${name}-conductor`, database.url);
      const agent = await start(
        ...["--role", "agent", "--drivers", "none", "--node", "edge-1", "--state", state(`${name}-agent`)],
        ...["--conductor", conductor.url, "--lease", "1", ...LOCAL],
      );
      // The seed's own body: no name, no version; and an endpoint without a scheme.
      const driver = await startDriver({});
      const seed = { status: "READY", endpoint: new URL(driver.url).host, type: "CRYPTO" };
      expect(await (await post(`${agent.url}/hello`, seed)).json()).toMatchObject({ status: "REGISTERED" });

      const fleet = (url: string) => get<HardwareList>(`${url}/hardware`);
      await until(async () => (await fleet(conductor.url)).hardware.length === 1);
      expect((await fleet(conductor.url)).hardware[0]).toMatchObject({ uuid: CARD.uuid, node: { name: "edge-1" } });

      const found = await post(`${conductor.url}/discovery`, {}, { prefer: "wait=20" });
      expect(found.status).toBe(200);
      const operation = Operation.parse(await found.json());
      expect(operation).toMatchObject({ status: "SUCCEEDED", children: [{ name: "edge-1", found: 1 }] });
      expect(await get<Operation>(`${conductor.url}/operations/${operation.uuid}`)).toEqual(operation);

      const tagged = await fetch(`${conductor.url}/hardware`);
      const etag = tagged.headers.get("etag") ?? "";
      expect((await fetch(`${conductor.url}/hardware`, { headers: { "if-none-match": etag } })).status).toBe(304);
      for (const [path, status] of [
        ["/doc", 200],
        ["/reference/swagger-ui.css", 200],
        ["/readyz", 200],
        ["/hardware?nope=1", 400],
        ["/nothing", 404],
      ] as const) {
        expect([path, (await fetch(`${conductor.url}${path}`)).status]).toEqual([path, status]);
      }

      expect(await wrongOf(conductor.url, "conductor")).toEqual([]);
      // An agent is the same whatever its conductor keeps.
      if (name === "sqlite") expect(await wrongOf(agent.url, "agent")).toEqual([]);

      await conductor.stop("SIGKILL");
      const again = await conductorOf(`${name}-conductor`, database.url);
      expect((await fleet(again.url)).hardware).toContainEqual(expect.objectContaining({ uuid: CARD.uuid }));
      expect(await agent.stop("SIGTERM")).toBe(0);
      expect(await again.stop("SIGTERM")).toBe(0);
      await driver.stop();
      await database.close();
    });
  });

  test("a conductor speaks TLS and takes the link of an agent that joined", async () => {
    const own = ["--role", "conductor", "--state", state("joined"), "--tls", "--auth", "required", ...LOCAL];
    const { url } = await startScript([...MAIN, ...own], { runtime: denoPath ?? "" });
    const token = (...more: string[]) => sinew(["token", "create", "--state", state("joined"), "--url", url, ...more]);
    const [viewer, invitation] = [await token("--role", "viewer"), await token()].map((text) => text.trim());
    const node = ["--role", "agent", "--drivers", "none", "--node", "linked", "--state", state("linked")];
    await startSinew([...node, "--join", invitation ?? "", "--auth", "required"]);
    const tls = { ca: readFileSync(join(state("joined"), "tls", "ca.crt"), "utf8"), rejectUnauthorized: true };
    await until(async () => {
      const answer = await fetch(`${url}/nodes`, { headers: { authorization: `Bearer ${viewer}` }, tls });
      return NodeList.parse(await answer.json()).nodes.some((one) => one.name === "linked" && one.state === "LIVE");
    });
  });

  test("the feed is followed as events, from the last one on, until the conductor stops", async () => {
    const conductor = await conductorOf("feed", `sqlite:${join(folder, "feed.sqlite")}`);
    const follow = async (headers: Record<string, string> = {}) => {
      const answer = await fetch(`${conductor.url}/changes`, { headers: { accept: "text/event-stream", ...headers } });
      expect([answer.status, answer.headers.get("content-type")]).toEqual([200, "text/event-stream"]);
      return eventsOf(answer.body ?? new ReadableStream());
    };
    const appear = async (id: string, name: string) => {
      const hello = { status: "READY", endpoint: "127.0.0.1:1", node: { id, name }, api: { min: "1.0", max: "1.0" } };
      expect((await post(`${conductor.url}/hello`, hello)).status).toBe(200);
    };
    /** The next change of a node's state: others tell of its source, which does not answer. */
    const next = async (events: ReturnType<typeof eventsOf>) => {
      for (;;) {
        const { value, done } = await events.next();
        if (done) throw new Error("the stream has ended");
        if (value.event === "state") return { id: value.id ?? "", name: JSON.parse(value.data).node.name };
      }
    };
    const first = await follow({ "last-event-id": "0" });
    expect((await first.next()).value).toMatchObject({ event: "epoch", id: null });
    await appear("11111111-2222-4333-8444-555555555555", "n1");
    const { id, name } = await next(first);
    expect(name).toBe("n1");
    await first.return(undefined);
    await appear("21111111-2222-4333-8444-555555555555", "n2");
    const second = await follow({ "last-event-id": id });
    while ((await next(second)).name !== "n2");
    expect(await conductor.stop("SIGTERM")).toBe(0);
    for await (const event of second) expect(event.id === null || Number(event.id) > Number(id)).toBe(true);
  });

  test("an agent on a unix socket is private, is asked over it, and removes it", async () => {
    const [db, sockets] = [`sqlite:${join(folder, "unix.sqlite")}`, join(folder, "sockets")];
    const [at, top] = [join(sockets, "agent.sock"), join(sockets, "conductor.sock")];
    const conductor = await start("--role", "conductor", "--db", db, "--state", state("u1"), "--listen", `unix:${top}`);
    const agent = await start(
      ...["--role", "agent", "--drivers", "none", "--node", "edge-2", "--state", state("u2")],
      ...["--listen", `unix:${at}`, "--conductor", conductor.url],
    );
    expect(agent.url).toBe(`unix:${at}`);
    expect(statSync(at).mode & 0o777).toBe(0o600);
    expect(statSync(sockets).mode & 0o777).toBe(0o700);
    const nodes = async () => (await get<{ nodes: unknown[] }>("http://localhost/nodes", top)).nodes;
    await until(async () => (await nodes()).length === 1);
    expect(await nodes()).toMatchObject([{ name: "edge-2", state: "LIVE", endpoint: `unix:${at}` }]);
    const driver = await startDriver();
    const hello = { status: "READY", endpoint: driver.url };
    await fetch("http://localhost/hello", { unix: at, ...json(hello) });
    await until(async () => (await get<HardwareList>("http://localhost/hardware", top)).hardware.length === 1);
    expect(await agent.stop("SIGTERM")).toBe(0);
    await driver.stop();
    expect(existsSync(at)).toBe(false);
    expect(await nodes()).toMatchObject([{ name: "edge-2", state: "LEFT" }]);
    await conductor.stop("SIGTERM");
  });

  test("a role that runs on Deno is running for Bun too", async () => {
    const args = ["--role", "conductor", "--state", state("locked"), ...LOCAL];
    const first = await start(...args);
    const second = await run(["start", ...args], cleanEnv(folder));
    expect(second.code).toBe(1);
    expect(second.err).toMatch(/conductor is already running in .* \(pid \d+\)/);
    await expect(start(...args)).rejects.toThrow(/exited 1: sinew: conductor is already running in .* \(pid \d+\)/);
    await first.stop("SIGKILL");
    expect((await start(...args)).url).toStartWith("http://");
  });

  test("the library is found by its package name, and a tier of it runs in a foreign Deno.serve", async () => {
    const args = ["run", "-A", "--no-lock", join(import.meta.dir, "embedded.ts")];
    const { url } = await startScript(args, { runtime: denoPath ?? "" });
    expect(await get<HardwareList>(`${url}/hardware`)).toMatchObject({ hardware: [{ source: "embedded" }] });
  });

  test("built-in drivers are refused in one line, never left out in silence", async () => {
    const refused = (args: string[]) => expect(start(...args, "--state", state("none"), ...LOCAL)).rejects;
    await refused(["--role", "agent"]).toThrow(/exited 2: .*--drivers: expected none, because/s);
    await refused(["--role", "driver", "--driver", "gpu"]).toThrow(/exited 2: .*--role: expected conductor/s);
    expect(existsSync(state("none"))).toBe(false);
  });
});
