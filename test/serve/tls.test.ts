import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { connect } from "node:tls";
import { connectSocket } from "../../src/client/link/connect.ts";
import { type Handler, type Listener, listen, type Tls } from "../../src/serve.ts";
import { certificates } from "../support/certificates.ts";
import { until } from "../support/process.ts";

const NODE = "3f0e9b52-7be1-4f0e-8a5f-3f1f0c6b7a11";
const local = { host: "127.0.0.1", port: 0 };
const files = certificates();
const listeners: Listener[] = [];
let authority: Awaited<ReturnType<typeof files.authority>>;
let leaves: [Tls, Tls, Tls];

beforeAll(async () => {
  authority = await files.authority("authority");
  leaves = [await authority.leaf(NODE), await authority.leaf(NODE), await authority.leaf(NODE)];
});
afterAll(async () => {
  await Promise.all(listeners.map((listener) => listener.stop({ graceMs: 500 })));
  files.close();
});

async function serve(handler: Handler, tls: Tls = leaves[0]): Promise<Listener> {
  const listener = await listen(local, handler, { tls });
  listeners.push(listener);
  return listener;
}

const pinned = () => ({ tls: { ca: authority.ca, serverName: NODE, rejectUnauthorized: true } });
const portOf = (listener: Listener) => Number(new URL(listener.url).port);

/** The leaf that a new connection is shown, as it stands in its file. */
const shownBy = (listener: Listener) =>
  new Promise<string>((done, fail) => {
    const socket = connect({ host: "127.0.0.1", port: portOf(listener), rejectUnauthorized: false }, () => {
      done(Buffer.from(socket.getPeerCertificate().raw).toString("base64"));
      socket.destroy();
    });
    socket.once("error", fail);
  });
const leafOf = ({ cert }: Tls) =>
  cert.slice(0, cert.indexOf("-----END")).replace("-----BEGIN CERTIFICATE-----", "").replace(/\s/g, "");

describe("listen() with a certificate", () => {
  test("speaks TLS alone, and tells the handler so", async () => {
    const listener = await serve((_, { local }) => new Response(local));
    expect(listener.url).toMatch(/^https:\/\/127\.0\.0\.1:\d+$/);
    expect(listener.endpoint).toBe(listener.url);
    expect(await (await fetch(listener.url, pinned())).text()).toBe(listener.url);
    await expect(fetch(listener.url.replace("https", "http"))).rejects.toThrow();
  });

  test("fails where the port is taken, by another like it or not", async () => {
    const taken = await serve(() => new Response());
    const at = { ...local, port: portOf(taken) };
    const again = listen(at, () => new Response(), { tls: leaves[0] });
    await expect(again).rejects.toMatchObject({ code: "EADDRINUSE" });
    await expect(listen(at, () => new Response())).rejects.toMatchObject({ code: "EADDRINUSE" });

    const plain = await listen(local, () => new Response());
    listeners.push(plain);
    const onPlain = listen({ ...local, port: portOf(plain) }, () => new Response(), { tls: leaves[0] });
    await expect(onPlain).rejects.toMatchObject({ code: "EADDRINUSE" });
  });

  test("is refused where it could not be one, and leaves nothing behind", async () => {
    const free = await listen(local, () => new Response());
    await free.stop({ graceMs: 500 });
    const at = { ...local, port: portOf(free) };
    const mismatch = { cert: leaves[0].cert, key: leaves[1].key };
    await expect(listen(at, () => new Response(), { tls: mismatch })).rejects.toThrow("KEY_VALUES_MISMATCH");
    await expect(listen({ unix: "/tmp/none.sock" }, () => new Response(), { tls: leaves[0] })).rejects.toThrow(
      "no TLS",
    );
    const listener = await listen(at, () => new Response("free"), { tls: leaves[0] });
    listeners.push(listener);
    expect(await (await fetch(listener.url, pinned())).text()).toBe("free");
  });
});

describe("a listener's renew()", () => {
  test("loses no request under load, answers each once, and shows the new certificate afterwards", async () => {
    const answered = new Map<string, number>();
    const listener = await serve(async (request) => {
      const id = await request.text();
      answered.set(id, (answered.get(id) ?? 0) + 1);
      return new Response(id);
    });
    let working = true;
    let sent = 0;
    const failed: unknown[] = [];
    // A POST is not repeated by fetch: what is lost shows.
    const call = async (keepalive: boolean) => {
      sent += 1;
      const id = String(sent);
      try {
        const response = await fetch(listener.url, { method: "POST", body: id, keepalive, ...pinned() });
        if ((await response.text()) !== id) failed.push(`${id} got another's answer`);
      } catch (error) {
        failed.push(error);
      }
    };
    const workers = [true, true, true, false, false].map(async (keepalive) => {
      while (working) await call(keepalive);
    });
    expect(await shownBy(listener)).toBe(leafOf(leaves[0]));
    await listener.renew(leaves[1]);
    expect(await shownBy(listener)).toBe(leafOf(leaves[1]));
    await listener.renew(leaves[2]);
    expect(await shownBy(listener)).toBe(leafOf(leaves[2]));
    await until(() => sent > 500);
    working = false;
    await Promise.all(workers);
    expect(failed).toEqual([]);
    expect(answered.size).toBe(sent);
    expect([...answered.values()].every((times) => times === 1)).toBe(true);
  });

  test("leaves a WebSocket open, and a request in flight to its end", async () => {
    const answer = Promise.withResolvers<void>();
    const arrived = Promise.withResolvers<void>();
    const listener = await serve(async (_, env) => {
      const upgraded = env.upgrade?.((socket) => {
        socket.onMessage = (bytes) => void socket.send(bytes);
      });
      if (upgraded) return upgraded;
      arrived.resolve();
      await answer.promise;
      return new Response("late");
    });
    const tls = { ca: authority.ca, serverName: NODE };
    const socket = await connectSocket(listener.url.replace("https", "wss"), { tls, deadlineMs: 5000 });
    const echo = () => new Promise<number>((done) => (socket.onMessage = ({ length }) => done(length)));
    const slow = fetch(listener.url, pinned());
    await arrived.promise;
    await listener.renew(leaves[1]);
    const echoed = echo();
    expect(socket.send(new Uint8Array(1234))).toBe(true);
    expect(await echoed).toBe(1234);
    answer.resolve();
    expect(await (await slow).text()).toBe("late");

    const closed = new Promise<string>((done) => (socket.onClose = done));
    await listener.stop({ graceMs: 5000 });
    expect(await closed).toBe("the server is stopping");
    await expect(fetch(listener.url, pinned())).rejects.toThrow();
  });

  test("keeps the old certificate where the new one is none", async () => {
    const listener = await serve(() => new Response("ok"));
    const broken = listener.renew({ cert: leaves[0].cert, key: leaves[1].key });
    await expect(broken).rejects.toThrow("KEY_VALUES_MISMATCH");
    expect(await shownBy(listener)).toBe(leafOf(leaves[0]));
    await listener.renew(leaves[1]);
    expect(await shownBy(listener)).toBe(leafOf(leaves[1]));
  });

  test("is an error without a certificate", async () => {
    const listener = await listen(local, () => new Response());
    listeners.push(listener);
    await expect(listener.renew(leaves[0])).rejects.toThrow("no certificate to renew");
  });
});

describe("client certificates", () => {
  const call = async (env: Record<string, string>, url: string, client?: Tls) => {
    const tls = { ...pinned().tls, ...(client ? { cert: client.cert, key: client.key } : {}) };
    const program = `
      const { url, tls } = JSON.parse(process.env.ASKED);
      console.log(await fetch(url, { tls }).then((response) => response.text(), () => "refused"));`;
    const child = Bun.spawn([process.execPath, "-e", program], {
      env: { PATH: process.env.PATH, ...env, ASKED: JSON.stringify({ url, tls }) },
      stdout: "pipe",
      stderr: "inherit",
    });
    return (await new Response(child.stdout).text()).trim();
  };

  test("are asked for by their CA alone, whatever the environment says", async () => {
    const clients = await files.authority("clients");
    const strangers = await files.authority("strangers");
    const [known, stranger] = [await clients.clientLeaf("operator"), await strangers.clientLeaf("operator")];
    const open = await serve(() => new Response("open"));
    expect(await call({}, open.url)).toBe("open");

    // A server in a process of its own, whose environment is an attacker's.
    const source = JSON.stringify(new URL("../../src/serve.ts", import.meta.url).pathname);
    const program = `
      import { listen } from ${source};
      const handler = () => new Response("mutual");
      const listener = await listen({ host: "127.0.0.1", port: 0 }, handler, { tls: JSON.parse(process.env.TLS) });
      console.log(listener.url);`;
    const server = Bun.spawn([process.execPath, "-e", program], {
      env: {
        PATH: process.env.PATH,
        TLS: JSON.stringify({ ...leaves[0], clientCa: clients.ca }),
        NODE_TLS_REJECT_UNAUTHORIZED: "0",
        NODE_EXTRA_CA_CERTS: strangers.path,
      },
      stdout: "pipe",
      stderr: "inherit",
    });
    try {
      const { value } = await server.stdout.getReader().read();
      const url = new TextDecoder().decode(value).trim();
      expect(await call({}, url, known)).toBe("mutual");
      expect(await call({}, url)).toBe("refused");
      expect(await call({}, url, stranger)).toBe("refused");
      expect(await call({}, url, leaves[1])).toBe("refused");
    } finally {
      server.kill();
      await server.exited;
    }
  });
});
