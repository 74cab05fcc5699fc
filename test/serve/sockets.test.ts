import { afterAll, describe, expect, test } from "bun:test";
import { connect } from "node:net";
import { Hono } from "hono";
import { connectSocket } from "../../src/client/link/connect.ts";
import { MAX_MESSAGE_BYTES } from "../../src/client/link/message.ts";
import type { Socket } from "../../src/client/link/socket.ts";
import { Problem } from "../../src/contract/problem-schema.ts";
import { type Handler, type Listener, type ListenOptions, listen } from "../../src/serve.ts";
import type { RequestEnv } from "../../src/tiers/tier.ts";
import { until } from "../support/process.ts";

const listeners: Listener[] = [];
afterAll(async () => {
  await Promise.all(listeners.map((listener) => listener.stop({ graceMs: 500 })));
});

async function serve(handler: Handler, options: ListenOptions = {}, host = "127.0.0.1"): Promise<Listener> {
  const listener = await listen({ host, port: 0 }, handler, options);
  listeners.push(listener);
  return listener;
}
const dial = (listener: Listener) => connectSocket(listener.url.replace("http", "ws"), { deadlineMs: 5000 });
/** Answers nothing but WebSockets, and remembers them. */
async function socketServer(options: ListenOptions = {}) {
  const opened: Socket[] = [];
  const listener = await serve(
    (_, env) => env.upgrade?.((one) => void opened.push(one)) ?? new Response("plain"),
    options,
  );
  return { listener, opened };
}
const closing = (socket: Socket) => new Promise<string>((done) => (socket.onClose = done));

describe("a request", () => {
  test("becomes a WebSocket through middleware that copies responses, and binary messages go both ways", async () => {
    const app = new Hono<{ Bindings: RequestEnv }>();
    app.use(async (c, next) => {
      await next();
      c.header("x-seen", "yes");
      c.res = new Response(c.res.body, c.res);
    });
    app.get("/link", (c) => {
      const upgraded = c.env.upgrade?.((socket) => {
        socket.onMessage = (bytes) => void socket.send(bytes.map((byte) => byte + 1));
      });
      return upgraded ?? c.text("no WebSocket was asked for", 400);
    });
    const listener = await serve((request, env) => app.fetch(request, env));
    expect((await fetch(`${listener.url}/link`)).status).toBe(400);
    const socket = await connectSocket(`${listener.url.replace("http", "ws")}/link`, { deadlineMs: 5000 });
    const received = new Promise<Uint8Array>((done) => (socket.onMessage = done));
    expect(socket.send(new Uint8Array([1, 2, 3]))).toBe(true);
    expect([...(await received)]).toEqual([2, 3, 4]);
    socket.close(1000, "done");
  });

  test("that is refused after it became a WebSocket has that WebSocket closed", async () => {
    const listener = await serve((_, env) => {
      env.upgrade?.(() => {});
      return new Response("no", { status: 403 });
    });
    expect(await closing(await dial(listener))).toBe("the request was refused");
    const failing = new Hono<{ Bindings: RequestEnv }>();
    failing.onError((_, c) => c.text("failed", 500));
    failing.get("/", (c) => {
      c.env.upgrade?.(() => {});
      throw new Error("after the upgrade");
    });
    const app = await serve((request, env) => failing.fetch(request, env));
    expect(await closing(await dial(app))).toBe("the request was refused");
  });
});

describe("a WebSocket", () => {
  test("gives its owner nothing before the handlers are set", async () => {
    const listener = await serve((_, env) => {
      const first = (socket: Socket) => {
        for (let i = 0; i < 100; i += 1) socket.send(new Uint8Array([i]));
        socket.close(4000, "that is all");
      };
      return env.upgrade?.(first) ?? new Response();
    });
    const socket = await dial(listener);
    const got: number[] = [];
    socket.onMessage = ([byte = -1]) => got.push(byte);
    expect(await closing(socket)).toBe("that is all");
    expect(got).toEqual([...Array(100).keys()]);
    expect(socket.send(new Uint8Array(1))).toBe(false);
  });

  test("carries a message as large as a frame of the link, and is closed by a longer one", async () => {
    const { listener, opened } = await socketServer();
    const socket = await dial(listener);
    await until(() => opened.length === 1);
    const received = new Promise<number>((done) => (opened[0]!.onMessage = ({ length }) => done(length)));
    socket.send(new Uint8Array(MAX_MESSAGE_BYTES));
    expect(await received).toBe(MAX_MESSAGE_BYTES);
    const closed = closing(opened[0]!);
    socket.send(new Uint8Array(MAX_MESSAGE_BYTES + 1));
    await closed;
    expect(opened[0]!.send(new Uint8Array(1))).toBe(false);
  });

  test("is closed by a text message, and its address is known", async () => {
    const { listener, opened } = await socketServer();
    const ws = new WebSocket(listener.url.replace("http", "ws"));
    await new Promise((done) => (ws.onopen = done));
    expect(opened[0]!.remoteAddress).toBe("127.0.0.1");
    const closed = new Promise<CloseEvent>((done) => (ws.onclose = done));
    ws.send("text");
    expect(await closed).toMatchObject({ code: 1003, reason: "expected a binary message, got text" });
  });

  test("says when its queue has drained, and cuts off a far end that never reads", async () => {
    const { listener, opened } = await socketServer();
    const socket = await dial(listener);
    await until(() => opened.length === 1);
    const drained = new Promise<void>((done) => (opened[0]!.onDrain = done));
    for (let i = 0; i < 192; i += 1) expect(opened[0]!.send(new Uint8Array(MAX_MESSAGE_BYTES))).toBe(true);
    expect(opened[0]!.buffered).toBeGreaterThan(0);
    await drained;
    await until(() => opened[0]!.buffered === 0);
    socket.close(1000, "done");

    // A client by hand, which shakes hands and reads nothing more.
    const idle = connect({ host: "127.0.0.1", port: Number(new URL(listener.url).port) });
    idle.on("error", () => {});
    idle.write(
      "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n",
    );
    idle.once("data", () => idle.pause());
    await until(() => opened.length === 2);
    const closed = closing(opened[1]!);
    let sent = 0;
    while (opened[1]!.send(new Uint8Array(MAX_MESSAGE_BYTES)) && sent < 1600) sent += 1;
    expect(sent).toBeLessThan(1600);
    await closed;
    idle.destroy();
  });
});

describe("what one address holds", () => {
  const refusal = async (response: Response) => {
    expect(response.status).toBe(429);
    expect(response.headers.get("content-type")).toBe("application/problem+json");
    expect(Number(response.headers.get("retry-after"))).toBeGreaterThan(0);
    return Problem.parse(await response.json()).code;
  };

  test("is bounded in requests, and another address is not refused for it", async () => {
    const answer = Promise.withResolvers<void>();
    let handled = 0;
    const listener = await serve(
      async () => {
        handled += 1;
        await answer.promise;
        return new Response("ok");
      },
      { limits: { requests: 3 } },
      "0.0.0.0",
    );
    const held = [1, 2, 3].map(() => fetch(listener.url.replace("localhost", "127.0.0.1")));
    await until(() => handled === 3);
    expect(await refusal(await fetch(listener.url.replace("localhost", "127.0.0.1")))).toBe("rate_limited");
    expect(handled).toBe(3);
    const other = connect({ host: "127.0.0.1", port: Number(new URL(listener.url).port), localAddress: "127.0.0.2" });
    other.write("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    await until(() => handled === 4);
    other.destroy();
    answer.resolve();
    for (const one of held) expect(await (await one).text()).toBe("ok");
    expect((await fetch(listener.url.replace("localhost", "127.0.0.1"))).status).toBe(200);
  });

  test("counts requests whose bodies drip, and ends with them", async () => {
    const listener = await serve(async (request) => new Response(await request.text().catch(() => "cut")), {
      limits: { requests: 2 },
    });
    const drip = () => {
      const socket = connect({ host: "127.0.0.1", port: Number(new URL(listener.url).port) });
      socket.write("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nx");
      return socket;
    };
    const status = async () => (await fetch(listener.url)).status;
    const attackers = [drip(), drip()];
    await until(async () => (await status()) === 429);
    for (const attacker of attackers) attacker.destroy();
    await until(async () => (await status()) === 200);
  });

  test("is bounded in WebSockets, which make room when they close", async () => {
    const { listener, opened } = await socketServer({ limits: { sockets: 2 } });
    const sockets = [await dial(listener), await dial(listener)];
    await expect(dial(listener)).rejects.toThrow("cannot connect");
    expect(opened).toHaveLength(2);
    const headers = { upgrade: "websocket", connection: "upgrade" };
    expect(await refusal(await fetch(listener.url, { headers }))).toBe("rate_limited");
    expect(await (await fetch(listener.url)).text()).toBe("plain");
    sockets[0]!.close(1000, "done");
    await until(() =>
      dial(listener).then(
        () => true,
        () => false,
      ),
    );
  });
});
