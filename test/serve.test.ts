import { afterAll, describe, expect, test } from "bun:test";
import { chmodSync, existsSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { listen } from "../src/serve.ts";

const directory = mkdtempSync(join(tmpdir(), "sinew-serve-"));
afterAll(() => rmSync(directory, { recursive: true }));
const local = { host: "127.0.0.1", port: 0 };
const stop = { graceMs: 1000 };

describe("listen()", () => {
  test("takes a free port, and tells the handler who calls", async () => {
    const server = await listen(local, (_, env) => Response.json(env.remoteAddress));
    expect(server.url).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/);
    expect(server.endpoint).toBe(server.url);
    expect(await (await fetch(server.url)).json()).toBe("127.0.0.1");
    await server.stop(stop);
  });

  test("announces the port of a wildcard alone", async () => {
    const server = await listen({ host: "0.0.0.0", port: 0 }, () => new Response());
    expect(server.endpoint).toMatch(/^:\d+$/);
    expect(server.url).toBe(`http://127.0.0.1${server.endpoint}`);
    await server.stop(stop);
  });

  test("answers what is in flight before it stops, and nothing new", async () => {
    const arrived = Promise.withResolvers<void>();
    const answer = Promise.withResolvers<Response>();
    const server = await listen(local, () => {
      arrived.resolve();
      return answer.promise;
    });
    const response = fetch(server.url);
    await arrived.promise;
    const stopped = server.stop({ graceMs: 10_000 });
    await expect(fetch(server.url, { keepalive: false })).rejects.toThrow();
    answer.resolve(new Response("done"));
    expect(await (await response).text()).toBe("done");
    await stopped;
  });

  test("does not wait for ever for a request that never ends", async () => {
    const arrived = Promise.withResolvers<void>();
    const server = await listen(local, () => {
      arrived.resolve();
      return new Promise(() => {});
    });
    const response = fetch(server.url).catch((error: Error) => error);
    await arrived.promise;
    await server.stop({ graceMs: 10 });
    expect(await response).toBeInstanceOf(Error);
  });

  test("fails where the port is taken", async () => {
    const server = await listen(local, () => new Response());
    const port = Number(new URL(server.url).port);
    await expect(listen({ ...local, port }, () => new Response())).rejects.toMatchObject({ code: "EADDRINUSE" });
    await server.stop(stop);
  });

  test("makes a unix socket for its owner alone, in a directory for its owner alone", async () => {
    const unix = join(directory, "new", "a.sock");
    const server = await listen({ unix }, (_, env) => Response.json(env.remoteAddress));
    expect(server.url).toBe(`unix:${unix}`);
    expect(statSync(unix).mode & 0o777).toBe(0o600);
    expect(statSync(join(directory, "new")).mode & 0o777).toBe(0o700);
    expect(await (await fetch("http://localhost/", { unix })).json()).toBeNull();
    await server.stop(stop);
    expect(existsSync(unix)).toBe(false);
  });

  test("takes the place of a stale socket, never of a live one or another file", async () => {
    const unix = join(directory, "stale.sock");
    const program = `Bun.serve({ unix: ${JSON.stringify(unix)}, fetch: () => new Response() }); process.kill(process.pid, "SIGKILL")`;
    await Bun.spawn([process.execPath, "-e", program]).exited;
    expect(existsSync(unix)).toBe(true);
    const server = await listen({ unix }, () => new Response("live"));
    await expect(listen({ unix }, () => new Response())).rejects.toThrow("another process listens there");
    expect(await (await fetch("http://localhost/", { unix })).text()).toBe("live");
    await server.stop(stop);

    writeFileSync(unix, "mine");
    await expect(listen({ unix }, () => new Response())).rejects.toThrow("no socket");
  });

  test("puts no socket where others may replace it", async () => {
    const shared = join(directory, "shared");
    mkdirSync(shared);
    chmodSync(shared, 0o777);
    await expect(listen({ unix: join(shared, "a.sock") }, () => new Response())).rejects.toThrow("only its owner");
  });
});
