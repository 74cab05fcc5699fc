import { afterAll, expect, test } from "bun:test";
import { createPeer, PeerError } from "../../src/client/peer.ts";
import { type HostRequestInit, hostFetch } from "../../src/host-fetch.ts";
import { realWorld } from "../../src/world.ts";
import { denoPath } from "../support/deno.ts";

const world = realWorld(() => {});
const seen: { url: string; authorization: string | null }[] = [];
const note = (request: Request) => seen.push({ url: request.url, authorization: request.headers.get("authorization") });
const other = Bun.serve({
  hostname: "127.0.0.1",
  port: 0,
  fetch(request) {
    note(request);
    return Response.json({});
  },
});
const server = Bun.serve({
  hostname: "127.0.0.1",
  port: 0,
  fetch(request) {
    note(request);
    return new URL(request.url).pathname === "/away"
      ? new Response(null, { status: 307, headers: { location: other.url.href } })
      : Response.json({});
  },
});
afterAll(() => Promise.all([server.stop(true), other.stop(true)]));

const ASK = { deadlineMs: 5000, maxBytes: 1000 };
const at = (port: number | undefined, host = "127.0.0.1") =>
  ({ kind: "http", base: `http://${host}:${port}` }) as const;

test("createPeer() sends a credential where it was given one for, asked anew for each request, and nowhere else", async () => {
  seen.length = 0;
  let count = 0;
  const ours = createPeer(at(server.port), world, { authorize: async () => `Bearer ${++count}` });
  const stranger = createPeer(at(server.port), world, { asker: "agent" });
  const none = createPeer(at(server.port), world, { authorize: async () => null });
  await ours.request({ path: "/", ...ASK });
  await ours.request({ path: "/", ...ASK });
  await stranger.request({ path: "/", ...ASK });
  await none.request({ path: "/", ...ASK });
  await expect(ours.request({ path: "/away", ...ASK })).rejects.toMatchObject({ code: "http_status", status: 307 });
  expect(seen.map(({ authorization }) => authorization)).toEqual(["Bearer 1", "Bearer 2", null, null, "Bearer 3"]);
  expect(seen.some(({ url }) => url.startsWith(other.url.href))).toBe(false);
});

test("createPeer() calls nobody when there is no way to a peer, and waits for one no longer than for an answer", async () => {
  seen.length = 0;
  const refused = createPeer(at(server.port), world, { route: () => Promise.reject(new Error("not allowed")) });
  const failure = await refused.request({ path: "/", ...ASK }).catch((error) => error);
  expect(failure).toBeInstanceOf(PeerError);
  expect(failure).toMatchObject({ code: "unreachable", message: expect.stringContaining("not allowed") });
  const waiting = createPeer(at(server.port), world, { route: () => new Promise(() => {}) });
  await expect(waiting.request({ path: "/", ...ASK, deadlineMs: 20 })).rejects.toMatchObject({ code: "timeout" });
  expect(seen).toEqual([]);
});

test("createPeer() connects to the address that it was given, under the peer's name", async () => {
  seen.length = 0;
  // The name resolves to nothing: a second lookup would fail.
  const peer = createPeer(at(server.port, "rack-1.invalid"), world, { route: async () => ["127.0.0.1"] });
  expect(await peer.request({ path: "/x", ...ASK })).toMatchObject({ status: 200 });
  expect(seen).toEqual([{ url: `http://rack-1.invalid:${server.port}/x`, authorization: null }]);
});

test("hostFetch() goes on to the next address where nobody listens, and not where a request was sent", async () => {
  const send = (init: HostRequestInit, port = server.port) => hostFetch()(`http://localhost:${port}/y`, init);
  seen.length = 0;
  expect((await send({ addresses: ["127.0.0.9", "127.0.0.1"] })).status).toBe(200);
  expect(seen).toHaveLength(1);
  let connections = 0;
  const cut = Bun.listen({
    hostname: "127.0.0.1",
    port: 0,
    socket: {
      data(socket) {
        connections += 1;
        socket.terminate();
      },
    },
  });
  const failure = send({ method: "POST", addresses: ["127.0.0.1", "127.0.0.1"] }, cut.port).catch((error) => error);
  expect(await failure).toBeInstanceOf(Error);
  expect(connections).toBe(1);
  cut.stop(true);
  await expect(send({ addresses: [] })).rejects.toThrow("expected an address");
});

/** What Deno makes of one call, on its stdout. */
async function onDeno(url: string, init: HostRequestInit): Promise<string> {
  const module = new URL("../../src/host-fetch.ts", import.meta.url).href;
  const program = `const { hostFetch } = await import(${JSON.stringify(module)});
    const call = async () => (await hostFetch()(${JSON.stringify(url)}, ${JSON.stringify(init)})).status;
    console.log(await call().catch((error) => error.message));`;
  const child = Bun.spawn([denoPath ?? "", "run", "--no-lock", "--allow-all", "-"], {
    stdin: new Blob([program]),
    stdout: "pipe",
    stderr: "inherit",
  });
  const out = await new Response(child.stdout).text();
  await child.exited;
  return out.trim();
}

test.skipIf(!denoPath)("hostFetch() on Deno connects by address over http, and refuses https to a name", async () => {
  seen.length = 0;
  const addresses = ["127.0.0.9", "127.0.0.1"];
  expect(await onDeno(`http://rack-1.invalid:${server.port}/z`, { addresses })).toBe("200");
  expect(seen).toHaveLength(1);
  const refusal = await onDeno(`https://rack-1.invalid:${server.port}/z`, { addresses });
  expect(refusal).toContain("Deno cannot ask a checked address for rack-1.invalid");
  expect(seen).toHaveLength(1);
});
