import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import {
  decodeFrame,
  encodeCredit,
  encodeFrame,
  type FrameType,
  ProtocolError,
} from "../../../src/client/link/frames.ts";
import { createLink } from "../../../src/client/link/link.ts";
import { virtualWorld } from "../../support/world.ts";
import { type MemorySocket, memoryPair, testWorld, until } from "./sockets.ts";

type Handle = (request: Request) => Promise<Response> | Response;
const nothing: Handle = () => new Response(null, { status: 404 });

function linked(handlers: { dialler?: Handle; acceptor?: Handle } = {}, limits = {}) {
  const [near, far] = memoryPair();
  const { world, logged } = testWorld();
  const dialler = createLink(near, { side: "dialler", handle: handlers.dialler ?? nothing, world, limits });
  const acceptor = createLink(far, { side: "acceptor", handle: handlers.acceptor ?? nothing, world, limits });
  return { near, far, dialler, acceptor, logged };
}

/** Bytes that no shift or swap leaves equal. */
const pattern = (size: number) => Uint8Array.from({ length: size }, (_, at) => (at * 31 + (at >> 8)) & 0xff);

function streamOf(chunks: Uint8Array[], pulled: (index: number) => void = () => {}): ReadableStream<Uint8Array> {
  let next = 0;
  return new ReadableStream({
    async pull(controller) {
      const chunk = chunks[next];
      pulled(next);
      next += 1;
      await new Promise(setImmediate);
      if (chunk) controller.enqueue(chunk);
      else controller.close();
    },
  });
}

const types = (socket: MemorySocket): FrameType[] => socket.sent.map((bytes) => decodeFrame(bytes).type);

describe("a link", () => {
  test("carries requests both ways at once: method, path, headers, body, status", async () => {
    const echo: Handle = async (request) => {
      const { method, url, headers } = request;
      const { pathname, search } = new URL(url);
      const body = await request.text();
      return Response.json({ method, path: pathname + search, x: headers.get("x-one"), body }, { status: 201 });
    };
    const { dialler, acceptor } = linked({ dialler: echo, acceptor: echo });
    const ask = (fetch: typeof dialler.fetch, body: string) =>
      fetch("http://any/a/b?c=d", { method: "POST", body, headers: { "x-one": "1" } });
    const answers = await Promise.all([
      ask(dialler.fetch, "up"),
      ask(acceptor.fetch, "down"),
      ask(dialler.fetch, "up 2"),
    ]);
    for (const [index, body] of ["up", "down", "up 2"].entries()) {
      expect(answers[index]!.status).toBe(201);
      expect(await answers[index]!.json()).toEqual({ method: "POST", path: "/a/b?c=d", x: "1", body });
    }
  });

  test("hands a redirect on as it is, and a 304 and a HEAD without a body", async () => {
    const { dialler } = linked({
      acceptor: ({ url, method }) =>
        method === "HEAD"
          ? new Response(null, { headers: { "content-length": "5" } })
          : url.endsWith("/moved")
            ? Response.redirect("http://elsewhere/", 302)
            : new Response(null, { status: 304, headers: { etag: '"1"' } }),
    });
    const moved = await dialler.fetch("/moved".replace(/^/, "http://x"));
    expect([moved.status, moved.headers.get("location")]).toEqual([302, "http://elsewhere/"]);
    const unchanged = await dialler.fetch("http://x/");
    expect([unchanged.status, unchanged.headers.get("etag"), unchanged.body]).toEqual([304, '"1"', null]);
    expect((await dialler.fetch("http://x/", { method: "HEAD" })).headers.get("content-length")).toBe("5");
  });

  test("carries bodies of any size and any chunks, both ways, equal", async () => {
    const { dialler, near, far } = linked({ acceptor: (request) => new Response(request.body) });
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.oneof(fc.integer({ min: 0, max: 5000 }), fc.constantFrom(65536, 65537, 300_000, 700_000)), {
          maxLength: 4,
        }),
        fc.boolean(),
        async (sizes, whole) => {
          const chunks = sizes.map(pattern);
          const all = new Uint8Array(await new Blob(chunks).arrayBuffer());
          const body = whole ? all : streamOf(chunks);
          const response = await dialler.fetch("http://x/", { method: "POST", body, duplex: "half" } as RequestInit);
          expect(Buffer.compare(await response.bytes(), all)).toBe(0);
        },
      ),
      { numRuns: 40 },
    );
    expect([near.closedFor, far.closedFor]).toEqual([null, null]);
  });

  test("holds a sender back when the body is not read, however large it is", async () => {
    let sent = 0;
    const { dialler, far } = linked({
      acceptor: () =>
        new Response(
          streamOf(
            Array.from({ length: 400 }, () => pattern(50_000)),
            () => (sent += 50_000),
          ),
        ),
    });
    const response = await dialler.fetch("http://x/");
    const reader = response.body!.getReader();
    await reader.read();
    await until(() => sent >= 256 * 1024, "a window was sent");
    await Bun.sleep(20);
    // The window, the chunk that waits for credit, and the one that the stream has pulled ahead.
    expect(sent).toBeLessThan(256 * 1024 + 3 * 65_536);
    expect(far.most).toBeLessThan(256 * 1024 + 2 * 65_536);
    let size = 0;
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      size += value.length;
    }
    expect(size).toBeGreaterThan(19_000_000);
  });

  test("waits for a socket that does not take more, in answers too", async () => {
    const { dialler, far } = linked({
      acceptor: () => new Response(streamOf(Array.from({ length: 20 }, () => pattern(60_000)))),
    });
    far.flow(false);
    const answers = Array.from({ length: 40 }, () => dialler.fetch("http://x/").then((response) => response.bytes()));
    await until(() => far.buffered > 256 * 1024, "the queue is full");
    await Bun.sleep(20);
    expect(far.most).toBeLessThan(256 * 1024 + 2 * 65_536);
    far.flow(true);
    for (const bytes of await Promise.all(answers)) expect(bytes.length).toBe(1_200_000);
    expect(far.most).toBeLessThan(256 * 1024 + 2 * 65_536);
  });

  test.each([
    ["answers queue up", { hardBuffered: 100_000, buffered: 1e9 }, "the far end does not read"],
    ["answers wait", { hardBuffered: 1e9, buffered: 10_000 }, "the far end asks more than it reads"],
  ])("is closed when the far end asks and never reads what it is answered: %s", async (_, limits, reason) => {
    const [near, far] = memoryPair();
    const { world } = testWorld();
    const link = createLink(far, { side: "acceptor", handle: () => new Response(pattern(1000)), world, limits });
    far.flow(false);
    const head = new TextEncoder().encode('{"method":"GET","path":"/","headers":[]}');
    for (let id = 1; far.closedFor === null; id += 2) {
      near.send(encodeFrame("request", id, new Uint8Array([0, head.length, ...head])));
      await new Promise(setImmediate);
    }
    expect(await link.closed).toBe(reason);
    expect(far.most).toBeLessThan(110_000);
  });

  test("refuses a call above its limit at once, and takes one when another ends", async () => {
    const { promise, resolve } = Promise.withResolvers<string>();
    const { dialler } = linked({ acceptor: () => promise.then((text) => new Response(text)) }, { calls: 2 });
    const both = [dialler.fetch("http://x/"), dialler.fetch("http://x/")];
    expect(dialler.fetch("http://x/")).rejects.toMatchObject({ code: "unavailable" });
    resolve("now");
    await Promise.all(both);
    expect(await (await dialler.fetch("http://x/")).text()).toBe("now");
  });

  test("answers 503 to a peer that keeps more handlers busy than it may", async () => {
    const [near, far] = memoryPair();
    const { world } = testWorld();
    let begun = 0;
    const handle = () => {
      begun += 1;
      return new Promise<Response>(() => {});
    };
    const acceptor = createLink(far, { side: "acceptor", handle, world, limits: { calls: 4 } });
    const dialler = createLink(near, { side: "dialler", handle: nothing, world });
    for (let call = 0; call < 30; call += 1) {
      const abort = new AbortController();
      const answer = dialler.fetch("http://x/", { signal: abort.signal }).catch(() => null);
      if (call < 8) {
        await until(() => begun === call + 1, "the handler runs");
        abort.abort();
      } else expect((await answer)?.status).toBe(503);
    }
    expect(begun).toBe(8);
    acceptor.close("done");
  });

  test("tells the handler when the caller aborts, and the caller why", async () => {
    const arrived = Promise.withResolvers<Request>();
    const { dialler } = linked({
      acceptor: (request) => {
        arrived.resolve(request);
        return new Promise(() => {});
      },
    });
    const abort = new AbortController();
    const answer = dialler.fetch("http://x/", { signal: abort.signal });
    const { signal } = await arrived.promise;
    abort.abort(new Error("changed my mind"));
    await expect(answer).rejects.toThrow("changed my mind");
    await until(() => signal.aborted, "the handler's signal");
    expect(dialler.fetch("http://x/", { signal: abort.signal })).rejects.toThrow("changed my mind");
  });

  test("stops the answer's source when its reader goes away", async () => {
    const cancelled = Promise.withResolvers<void>();
    const { dialler } = linked({
      acceptor: () =>
        new Response(
          new ReadableStream({
            pull: (controller) => controller.enqueue(pattern(10_000)),
            cancel: () => cancelled.resolve(),
          }),
        ),
    });
    const response = await dialler.fetch("http://x/");
    const reader = response.body!.getReader();
    await reader.read();
    await reader.cancel();
    await cancelled.promise;
  });

  test("stops the request's source when it is answered before its end", async () => {
    const cancelled = Promise.withResolvers<void>();
    const { dialler } = linked({ acceptor: () => new Response("enough") });
    const body = new ReadableStream({
      pull: (controller) => controller.enqueue(pattern(10_000)),
      cancel: () => cancelled.resolve(),
    });
    const response = await dialler.fetch("http://x/", { method: "POST", body, duplex: "half" } as RequestInit);
    expect(await response.text()).toBe("enough");
    await cancelled.promise;
  });

  test("answers 500 without the cause for a handler that throws, and breaks off a body that fails", async () => {
    const failing = (after: number) =>
      new ReadableStream<Uint8Array>({
        async pull(controller) {
          if (after-- === 0) throw new Error("the secret cause");
          await Bun.sleep(2);
          controller.enqueue(pattern(100));
        },
      });
    const { dialler, logged } = linked({
      acceptor: ({ url }) => {
        if (url.endsWith("/throws")) throw new Error("the secret cause");
        return new Response(failing(url.endsWith("/later") ? 3 : 0));
      },
    });
    for (const path of ["/throws", "/at-once"]) {
      const response = await dialler.fetch(`http://x${path}`);
      expect([response.status, response.headers.get("content-type")]).toEqual([500, "application/problem+json"]);
      const text = await response.text();
      expect(text).not.toContain("secret");
      const { request_id } = JSON.parse(text);
      expect(logged.find(({ fields }) => fields?.request_id === request_id)?.fields?.cause).toContain("secret cause");
    }
    const late = await dialler.fetch("http://x/later");
    expect(late.status).toBe(200);
    expect(late.text()).rejects.toThrow("broke the call off");
  });

  test("rejects a call whose request's body fails", async () => {
    const { dialler } = linked({ acceptor: async (request) => new Response(await request.text()) });
    const body = new ReadableStream({
      pull() {
        throw new Error("no more");
      },
    });
    const answer = dialler.fetch("http://x/", { method: "POST", body, duplex: "half" } as RequestInit);
    await expect(answer).rejects.toThrow("no more");
  });

  test("fails every pending call and every body when the connection drops, on both sides", async () => {
    const aborted = Promise.withResolvers<void>();
    const { near, far, dialler, acceptor } = linked({
      acceptor: (request) => {
        if (request.url.endsWith("/body"))
          return new Response(streamOf([pattern(10), ...Array(50).fill(pattern(60_000))]));
        request.signal.addEventListener("abort", () => aborted.resolve());
        return new Promise(() => {});
      },
    });
    const pending = dialler.fetch("http://x/pending");
    const { body } = await dialler.fetch("http://x/body");
    const reader = body!.getReader();
    await reader.read();
    near.vanish("cable pulled");
    far.vanish("cable pulled");
    await expect(pending).rejects.toMatchObject({ code: "unavailable", message: "the link is closed: cable pulled" });
    await expect(reader.read()).rejects.toMatchObject({ code: "unavailable" });
    await aborted.promise;
    expect(await Promise.all([dialler.closed, acceptor.closed])).toEqual(["cable pulled", "cable pulled"]);
    expect(dialler.fetch("http://x/")).rejects.toThrow("cable pulled");
  });

  test("is closed when the socket drops a message", async () => {
    const { near, dialler } = linked();
    near.dropping = true;
    await expect(dialler.fetch("http://x/")).rejects.toThrow("a message was dropped");
    expect(await dialler.closed).toBe("a message was dropped");
  });

  test("is closed when the far end is silent for too long while it owes an answer, and only then", async () => {
    const { dialler, far } = linked({ acceptor: () => new Promise(() => {}) }, { deadAfterMs: 30 });
    await Bun.sleep(60);
    expect(far.closedFor).toBeNull();
    await expect(dialler.fetch("http://x/")).rejects.toThrow("nothing was received for 30 ms");
  });

  test("is closed when the far end is silent for too long, though each of its calls is given up before", async () => {
    const { dialler, acceptor, near } = linked({ acceptor: () => new Promise(() => {}) }, { deadAfterMs: 200 });
    const ask = () => dialler.fetch("http://x/", { signal: AbortSignal.timeout(50) });
    near.flow(false);
    let last: unknown;
    for (let asked = 0; asked < 100 && !String(last).includes("nothing was received"); asked += 1)
      last = await ask().catch((error) => error);
    expect(String(last)).toContain("nothing was received for 200 ms");
    expect(await dialler.closed).toBe("nothing was received for 200 ms");
    acceptor.close("the test is over");
  });

  test("is closed soon when the far end is silent, though between its calls nothing is asked (found by simulation)", async () => {
    const { world, advance } = virtualWorld();
    const [near] = memoryPair();
    near.flow(false);
    const link = createLink(near, { side: "dialler", handle: nothing, world, limits: { deadAfterMs: 60_000 } });
    let [waited, last]: [number, unknown] = [0, null];
    for (; waited < 60_000 && !String(last).includes("nothing was received"); waited += 7_000) {
      const call = new AbortController();
      const asked = link.fetch("http://x/", { signal: call.signal }).catch((error) => error);
      await advance(7_000);
      call.abort(new Error("given up"));
      last = await asked;
      await advance(5_000);
    }
    // The ninth call, each of 7 s, is the one in which a minute has passed.
    expect(waited).toBe(63_000);
    expect(await link.closed).toBe("nothing was received for 60000 ms");
  });

  test("refuses a head that is too long where it is made", async () => {
    const headers = { "x-long": "x".repeat(20_000) };
    const { dialler } = linked({ acceptor: () => new Response("", { headers }) });
    expect(dialler.fetch("http://x/", { headers })).rejects.toThrow("at most 16384 bytes");
    expect((await dialler.fetch("http://x/")).status).toBe(500);
  });

  test("leaves nothing behind after thousands of concurrent calls with random cancels", async () => {
    const handle: Handle = async (request) => {
      const size = Number(new URL(request.url).searchParams.get("size"));
      const sent = await request.bytes();
      if (size % 3 === 0) await new Promise(setImmediate);
      return new Response(size % 2 ? streamOf([sent, pattern(size)]) : Buffer.concat([sent, pattern(size)]));
    };
    const { near, far, dialler, acceptor } = linked({ dialler: handle, acceptor: handle }, { calls: 50 });
    let random = 1;
    const next = (below: number) => {
      random = (random * 48_271) % 0x7fff_ffff;
      return random % below;
    };
    const outcomes = { answered: 0, aborted: 0, refused: 0 };
    const caller = async (fetch: typeof dialler.fetch) => {
      for (let round = 0; round < 50; round += 1) {
        const abort = new AbortController();
        const [size, body] = [next(8) ? next(3000) : next(200_000), pattern(next(8) ? next(5000) : next(100_000))];
        if (next(3) === 0) setTimeout(() => abort.abort(), next(4));
        try {
          const response = await fetch(`http://x/?size=${size}`, { method: "POST", body, signal: abort.signal });
          const bytes = await response.bytes();
          if (response.status === 503) outcomes.refused += 1;
          else {
            expect(Buffer.compare(bytes, Buffer.concat([body, pattern(size)]))).toBe(0);
            outcomes.answered += 1;
          }
        } catch (error) {
          if (!abort.signal.aborted) throw error;
          outcomes.aborted += 1;
        }
      }
    };
    await Promise.all(Array.from({ length: 40 }, (_, index) => caller(index % 2 ? dialler.fetch : acceptor.fetch)));
    expect(outcomes.answered).toBeGreaterThan(500);
    expect(outcomes.aborted).toBeGreaterThan(100);
    expect([near.closedFor, far.closedFor]).toEqual([null, null]);
    // Were a call left anywhere, the limit would refuse some of these.
    for (const link of [dialler, acceptor]) {
      const all = Array.from({ length: 50 }, () => link.fetch("http://x/?size=1", { method: "POST", body: "x" }));
      for (const response of await Promise.all(all)) expect(response.status).toBe(200);
    }
  }, 60_000);
});

describe("a request that is said again", () => {
  const hello = { method: "POST", body: '{"status":"READY"}', headers: { "content-type": "application/json" } };

  test("travels in five bytes, and so does its answer; the handler sees the whole request", async () => {
    const seen: string[] = [];
    const { near, far, dialler } = linked({
      acceptor: async (request) => {
        seen.push(
          `${request.method} ${new URL(request.url).pathname} ${request.headers.get("content-type")} ${await request.text()}`,
        );
        return Response.json({ status: "REGISTERED" });
      },
    });
    for (let round = 0; round < 4; round += 1) {
      const response = await dialler.fetch("http://x/hello", hello);
      expect(response.headers.get("content-type")).toStartWith("application/json");
      expect(await response.json()).toEqual({ status: "REGISTERED" });
    }
    expect(new Set(seen)).toEqual(new Set(['POST /hello application/json {"status":"READY"}']));
    expect(types(near)).toEqual(["request", "same-request", "same-request", "same-request"]);
    expect(types(far)).toEqual(["response", "same-response", "same-response", "same-response"]);
    expect(near.sent.at(-1)?.length).toBe(5);
    expect(far.sent.at(-1)?.length).toBe(5);
  });

  test("is said in full when anything of it differs, and so is an answer that differs", async () => {
    let count = 0;
    const { near, far, dialler } = linked({ acceptor: () => Response.json({ count: Math.floor(count++ / 2) }) });
    for (const [index, body] of ["a", "a", "b", "b", "a"].entries()) {
      const response = await dialler.fetch("http://x/hello", { method: "POST", body });
      expect(await response.json()).toEqual({ count: Math.floor(index / 2) });
    }
    await dialler.fetch("http://x/other", { method: "POST", body: "a" });
    await dialler.fetch("http://x/other", { method: "POST", body: "a", headers: { x: "1" } });
    expect(types(near)).toEqual(["request", "same-request", "request", "same-request", ...Array(3).fill("request")]);
    expect(types(far).slice(0, 4)).toEqual(["response", "same-response", "response", "same-response"]);
  });

  test("has the same request done again where its handler says how, until that says no", async () => {
    let handled = 0;
    let again = 0;
    let good = true;
    const [near, far] = memoryPair();
    const { world } = testWorld();
    const dialler = createLink(near, { side: "dialler", handle: nothing, world });
    createLink(far, {
      side: "acceptor",
      world,
      handle: async (request, repeat) => {
        handled += 1;
        const text = await request.text();
        if (text !== "never") repeat((differs) => !differs && good && ++again > 0);
        return new Response(text);
      },
    });
    const say = async (body: string) => (await dialler.fetch("http://link/", { method: "POST", body })).text();
    expect([await say("a"), await say("a"), await say("a")]).toEqual(["a", "a", "a"]);
    expect({ handled, again }).toEqual({ handled: 1, again: 2 });
    good = false;
    expect(await say("a")).toBe("a");
    good = true;
    // What was handled anew says anew how it is done again.
    expect(await say("a")).toBe("a");
    expect({ handled, again }).toEqual({ handled: 2, again: 3 });
    expect([await say("never"), await say("never"), await say("a")]).toEqual(["never", "never", "a"]);
    expect({ handled, again }).toEqual({ handled: 5, again: 3 });
  });

  test("may be done again though it differs, where its handler says that it means the same", async () => {
    const [ours, theirs] = memoryPair();
    const { world } = testWorld();
    const dialler = createLink(ours, { side: "dialler", handle: nothing, world });
    const decoder = new TextDecoder();
    const told: string[] = [];
    let handled = 0;
    createLink(theirs, {
      side: "acceptor",
      world,
      handle: async (request, repeat) => {
        handled += 1;
        const text = await request.text();
        repeat((differs) => {
          if (!differs) return true;
          const [before, now] = [differs.before, differs.now].map(
            (bytes) => decoder.decode(bytes).split("}").at(-1) ?? "",
          );
          told.push(`${before} ${now}`);
          return before?.[0] === now?.[0];
        });
        return new Response(text);
      },
    });
    const say = async (body: string) => (await dialler.fetch("http://link/", { method: "POST", body })).text();
    // An answer that was the same is the one before, to the byte.
    expect([await say("a1"), await say("a2"), await say("a2"), await say("a3")]).toEqual(["a1", "a1", "a1", "a1"]);
    expect({ handled, told }).toEqual({ handled: 1, told: ["a1 a2", "a2 a3"] });
    expect([await say("b1"), await say("b1"), await say("b2")]).toEqual(["b1", "b1", "b1"]);
    expect(handled).toBe(2);
    // Too long to be remembered by either end: neither the answer nor the next repeat may refer to it.
    const long = `b${"x".repeat(5000)}`;
    expect([await say(long), await say("b2"), await say("b3")]).toEqual([long, "b1", "b1"]);
    expect(handled).toBe(3);
  });

  test("is answered rightly through any mix of repeats, cancels, sizes and concurrency", async () => {
    let turn = 0;
    const { near, far, dialler } = linked({
      acceptor: async (request) => {
        const body = await request.text();
        if (turn++ % 4 === 0) await new Promise(setImmediate);
        const answer = `${new URL(request.url).pathname} ${body} ${Math.floor(turn / 5)}`;
        return new Response(turn % 7 === 0 ? answer.padEnd(6000) : answer);
      },
    });
    await fc.assert(
      fc.asyncProperty(
        fc.array(
          fc.record({
            path: fc.constantFrom("/a", "/b"),
            size: fc.constantFrom(1, 1, 5000),
            abort: fc.boolean(),
            wait: fc.boolean(),
          }),
          { maxLength: 30 },
        ),
        async (steps) => {
          const under: Promise<void>[] = [];
          for (const { path, size, abort, wait } of steps) {
            const body = "x".repeat(size);
            const signal = abort ? AbortSignal.timeout(1) : null;
            const one = dialler.fetch(`http://x${path}`, { method: "POST", body, signal }).then(
              async (response) => expect(await response.text()).toStartWith(`${path} ${body} `),
              (error) => {
                if (!signal?.aborted) throw error;
              },
            );
            if (wait) await one;
            else under.push(one);
          }
          await Promise.all(under);
        },
      ),
      { numRuns: 60 },
    );
    expect([near.closedFor, far.closedFor]).toEqual([null, null]);
    expect(types(near)).toContain("same-request");
    expect(types(far)).toContain("same-response");
  });
});

describe("a peer that breaks the protocol", () => {
  const head = (json: string, extra = "") => {
    const text = new TextEncoder().encode(json);
    return new Uint8Array([text.length >> 8, text.length & 255, ...text, ...new TextEncoder().encode(extra)]);
  };
  const get = head('{"method":"GET","path":"/","headers":[]}');
  const post = head('{"method":"POST","path":"/","headers":[],"body":"follows"}');
  const cases: Record<string, Uint8Array[]> = {
    "a message too short": [new Uint8Array([1, 0])],
    "an unknown type": [new Uint8Array([99, 0, 0, 0, 1])],
    "a handshake afterwards": [encodeFrame("handshake", 0, head("{}"))],
    "an id of the other side": [encodeFrame("request", 2, get)],
    "an id used before": [encodeFrame("request", 1, get), encodeFrame("request", 1, get)],
    "data of a call that nobody began": [encodeFrame("data", 7, new Uint8Array(1))],
    "an answer that nobody waits for": [encodeFrame("response", 2, head('{"status":200,"headers":[]}'))],
    "a head that is no JSON": [encodeFrame("request", 1, head("{"))],
    "a head that is too long": [encodeFrame("request", 1, head(`{"x":"${"x".repeat(17_000)}"}`))],
    "a path that is none": [encodeFrame("request", 1, head('{"method":"GET","path":"@evil","headers":[]}'))],
    "a body that the head does not name": [
      encodeFrame("request", 1, head('{"method":"GET","path":"/","headers":[]}', "x")),
    ],
    "the same request as none": [encodeFrame("same-request", 1)],
    "data beyond its credit": [
      encodeFrame("request", 1, post),
      ...Array.from({ length: 5 }, () => encodeFrame("data", 1, new Uint8Array(65_536))),
    ],
    "data after its end": [
      encodeFrame("request", 1, post),
      encodeFrame("end", 1),
      encodeFrame("data", 1, new Uint8Array(1)),
    ],
  };

  test.each(Object.entries(cases))("has its link closed with a reason: %s", async (_, messages) => {
    const [near, far] = memoryPair();
    const { world } = testWorld();
    const link = createLink(far, { side: "acceptor", handle: () => new Promise(() => {}), world });
    for (const bytes of messages) near.send(bytes);
    expect(await link.closed).toStartWith("the far end broke the protocol: ");
    expect(near.closedFor).toBe(null);
    await until(() => near.closedFor !== null, "the far end hears of it");
  });

  test("has its link closed for credit beyond the window", async () => {
    const [near, far] = memoryPair();
    const { world } = testWorld();
    const endless = () =>
      new Response(new ReadableStream({ pull: (controller) => controller.enqueue(pattern(70_000)) }));
    const link = createLink(far, { side: "acceptor", handle: endless, world });
    near.send(encodeFrame("request", 1, get));
    await until(() => far.sent.length > 3, "the body flows");
    near.send(encodeCredit(1, 0xffff_ffff));
    expect(await link.closed).toContain("credit");
  });

  test("can't make a link throw, whatever it sends", async () => {
    const type = fc.integer({ min: 0, max: 10 });
    const piece = fc.oneof(
      fc.uint8Array({ maxLength: 200 }),
      fc
        .tuple(
          type,
          fc.integer({ min: 0, max: 6 }),
          fc.oneof(fc.uint8Array({ maxLength: 40 }), fc.constantFrom(get, post)),
        )
        .map(([kind, id, payload]) => new Uint8Array([kind, 0, 0, 0, id, ...payload])),
    );
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom("dialler" as const, "acceptor" as const),
        fc.array(piece, { maxLength: 12 }),
        async (side, pieces) => {
          const [near, far] = memoryPair();
          const { world, logged } = testWorld();
          const link = createLink(far, { side, handle: async (request) => new Response(await request.text()), world });
          const call = link.fetch("http://x/", { method: "POST", body: "x" }).then((response) => response.text());
          call.catch(() => {}); // looked at below
          for (const bytes of pieces) far.onMessage(bytes);
          link.close("the test is over");
          const reason = await link.closed;
          expect(reason).toMatch(/^(the test is over|the far end broke the protocol: .+)/s);
          await call.catch((error) => expect(error).toMatchObject({ code: "unavailable" }));
          expect(logged.filter(({ message }) => message === "a link failed")).toEqual([]);
          near.close(1000, "");
        },
      ),
      { numRuns: 2000 },
    );
  });

  test("sends frames that decode or are refused with a ProtocolError, any bytes", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 70 }), (bytes) => {
        try {
          const { type, id, payload } = decodeFrame(bytes);
          expect(encodeFrame(type, id, payload)).toEqual(bytes);
        } catch (error) {
          expect(error).toBeInstanceOf(ProtocolError);
        }
      }),
      { numRuns: 5000 },
    );
  });
});
