import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { connect, createServer, type Socket as NetSocket, type Server } from "node:net";
import { join } from "node:path";
import { connectSocket } from "../../src/client/link/connect.ts";
import { fetchAuthority, pinnedFetch, verifiedFetch } from "../../src/client/pin.ts";
import { type Listener, listen } from "../../src/serve.ts";
import { certificates, selfSigned } from "../support/certificates.ts";

const NODE = "3f0e9b52-7be1-4f0e-8a5f-3f1f0c6b7a11";
const OTHER = "0d9c1a52-7be1-4f0e-8a5f-3f1f0c6b7a11";
const files = certificates();
const listeners: Listener[] = [];
/** Requests that reached the handler, by listener. */
const reached = new Map<string, number>();

let authority: Awaited<ReturnType<typeof files.authority>>;
let attacker: Awaited<ReturnType<typeof files.authority>>;
let conductor: Listener;
let impostor: Listener;

async function serve(tls: Awaited<ReturnType<typeof authority.leaf>>): Promise<Listener> {
  const listener = await listen(
    { host: "127.0.0.1", port: 0 },
    (_, env) => {
      reached.set(listener.url, (reached.get(listener.url) ?? 0) + 1);
      return env.upgrade?.(() => {}) ?? new Response(listener === conductor ? "conductor" : "impostor");
    },
    { tls },
  );
  listeners.push(listener);
  return listener;
}

beforeAll(async () => {
  authority = await files.authority("authority");
  attacker = await files.authority("attacker");
  conductor = await serve(await authority.leaf(NODE));
  impostor = await serve(await attacker.leaf(NODE));
});
afterAll(async () => {
  await Promise.all(listeners.map((listener) => listener.stop({ graceMs: 500 })));
  files.close();
});

const portOf = (listener: Listener) => Number(new URL(listener.url).port);
const pinned = () => pinnedFetch((url, init) => fetch(url, init), { ca: authority.ca, serverName: NODE });
const dial = (listener: Listener) =>
  connectSocket(listener.url.replace("https:", "wss:"), {
    tls: { ca: authority.ca, serverName: NODE },
    deadlineMs: 5000,
  });
const hashOf = (pem: string) => {
  const der = Buffer.from(pem.replace(/-----[^-]+-----/g, ""), "base64");
  return new Bun.CryptoHasher("sha256").update(der).digest("hex");
};

/** Neither way in says a word to what listens there. */
async function refuses(listener: Listener, why: RegExp): Promise<void> {
  const before = reached.get(listener.url) ?? 0;
  await expect(pinned()(listener.url)).rejects.toThrow(why);
  await expect(dial(listener)).rejects.toThrow(/^cannot connect to 127\.0\.0\.1:\d+: /);
  expect(reached.get(listener.url) ?? 0).toBe(before);
}

describe("a pinned connection", () => {
  test("reaches what the pinned CA signed for that name", async () => {
    expect(await (await pinned()(conductor.url)).text()).toBe("conductor");
    const socket = await dial(conductor);
    socket.close(1000, "done");
  });

  test("refuses a certificate of another CA for the same name", () => refuses(impostor, /self.signed|issuer/));

  test("refuses the right CA's certificate for another name", async () =>
    refuses(await serve(await authority.leaf(OTHER)), /altname|IP\/hostname|does not match/i));

  test("refuses an expired certificate", async () =>
    refuses(await serve(await authority.leaf(NODE, new Date("2020-01-01"))), /expired/));

  test("refuses a self-signed certificate", async () => refuses(await serve(await selfSigned(NODE)), /self.signed/));

  test("refuses a leaf of another CA that shows the pinned CA beside it", async () => {
    const { cert, key } = await attacker.leaf(NODE);
    const leaf = cert.slice(0, -attacker.ca.length);
    await refuses(await serve({ cert: leaf + authority.ca, key }), /issuer|verify|signature/i);
  });

  test("speaks TLS alone, and follows no redirect out of it", async () => {
    await expect(pinned()("http://127.0.0.1:1/")).rejects.toThrow("expected an https: URL for a pinned connection");
    const away = await listen({ host: "127.0.0.1", port: 0 }, () => Response.redirect("http://127.0.0.1:1/"), {
      tls: await authority.leaf(NODE),
    });
    listeners.push(away);
    await expect(pinned()(away.url)).rejects.toThrow(/redirect/i);
    const tls = { ca: authority.ca, serverName: NODE };
    expect(() => connectSocket("ws://127.0.0.1:1/", { tls, deadlineMs: 100 })).toThrow("expected a wss: URL");
    expect(() => connectSocket("file:///etc/passwd", { deadlineMs: 100 })).toThrow("expected a ws: or wss: URL");
  });

  test("gives up on what never answers", async () => {
    const silent = createServer(() => {});
    await new Promise<void>((done) => silent.listen(0, "127.0.0.1", done));
    const { port } = silent.address() as { port: number };
    const tls = { ca: authority.ca, serverName: NODE };
    await expect(connectSocket(`wss://127.0.0.1:${port}`, { tls, deadlineMs: 50 })).rejects.toThrow("within 50 ms");
    const asked = { host: "127.0.0.1", port, hash: hashOf(authority.ca), deadlineMs: 50 };
    await expect(fetchAuthority(asked)).rejects.toThrow("no answer within 50 ms");
    silent.close();
  });
});

describe("fetchAuthority()", () => {
  test("gives the CA whose hash it knows", async () => {
    const hash = hashOf(authority.ca);
    const found = await fetchAuthority({ host: "127.0.0.1", port: portOf(conductor), hash, deadlineMs: 5000 });
    expect(hashOf(found)).toBe(hash);
    const fetched = pinnedFetch((url, init) => fetch(url, init), { ca: found, serverName: NODE });
    expect(await (await fetched(conductor.url)).text()).toBe("conductor");
  });

  test("says which hashes it saw where that CA is not, and has sent nothing", async () => {
    const before = reached.get(impostor.url);
    const asked = { host: "127.0.0.1", port: portOf(impostor), hash: hashOf(authority.ca), deadlineMs: 5000 };
    await expect(fetchAuthority(asked)).rejects.toThrow(`found ${hashOf(attacker.ca)} among 2 certificates`);
    expect(reached.get(impostor.url)).toBe(before);
  });

  test("takes no leaf for a CA", async () => {
    const { cert } = await authority.leaf(NODE);
    const listener = await serve(await authority.leaf(NODE));
    const hash = hashOf(cert.slice(0, cert.indexOf("-----END")));
    const asked = { host: "127.0.0.1", port: portOf(listener), hash, deadlineMs: 5000 };
    await expect(fetchAuthority(asked)).rejects.toThrow(`found ${hashOf(authority.ca)} among 2`);
  });

  test("fails where nobody listens", async () => {
    const asked = { host: "127.0.0.1", port: 9, hash: hashOf(authority.ca), deadlineMs: 5000 };
    await expect(fetchAuthority(asked)).rejects.toThrow("cannot get the certificates of 127.0.0.1:9");
  });
});

/** What a process of its own sees under those variables: the answer, or `refused`, of each way to call `url`. */
async function attempts(url: string, env: Record<string, string>): Promise<Record<string, string>> {
  const source = (path: string) => JSON.stringify(join(import.meta.dir, "../../src", path));
  const program = `
    import { pinnedFetch, verifiedFetch } from ${source("client/pin.ts")};
    import { connectSocket } from ${source("client/link/connect.ts")};
    import { withoutProxies } from ${source("cli/host/proxy.ts")};
    const { url, ca, serverName } = JSON.parse(process.env.ASKED);
    if (process.env.DIRECT) withoutProxies(process.env, () => {});
    const text = (get) => get(url, { signal: AbortSignal.timeout(5000) }).then((r) => r.text()).catch(() => "refused");
    const bare = (url, init) => fetch(url, init);
    console.log(JSON.stringify({
      bare: await text(bare),
      verified: await text(verifiedFetch(bare)),
      pinned: await text(pinnedFetch(bare, { ca, serverName })),
      socket: await connectSocket(url.replace("https:", "wss:"), { tls: { ca, serverName }, deadlineMs: 5000 })
        .then(() => "open").catch(() => "refused"),
    }));
    process.exit(0);`;
  const child = Bun.spawn([process.execPath, "-e", program], {
    env: { PATH: process.env.PATH, ...env, ASKED: JSON.stringify({ url, ca: authority.ca, serverName: NODE }) },
    stdout: "pipe",
    stderr: "pipe",
  });
  const [out, err] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()]);
  try {
    return JSON.parse(out);
  } catch {
    throw new Error(`expected JSON, found ${out}: ${err}`);
  }
}

/** A proxy of the attacker's: whatever is asked for, the impostor is what answers. */
async function startProxy(): Promise<{ url: string; lines: string[]; server: Server }> {
  const lines: string[] = [];
  const server = createServer((client: NetSocket) => {
    client.on("error", () => {});
    client.once("data", (head) => {
      lines.push(head.toString().split("\r\n")[0] ?? "");
      const upstream = connect(portOf(impostor), "127.0.0.1", () => {
        client.write("HTTP/1.1 200 Connection established\r\n\r\n");
        upstream.pipe(client).pipe(upstream);
      });
      upstream.on("error", () => client.destroy());
      client.on("close", () => upstream.destroy());
    });
  });
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  return { url: `http://127.0.0.1:${(server.address() as { port: number }).port}`, lines, server };
}

describe("the environment", () => {
  test("cannot switch off verification", async () => {
    const found = await attempts(impostor.url, { NODE_TLS_REJECT_UNAUTHORIZED: "0" });
    // The first shows that the attack is one.
    expect(found).toEqual({ bare: "impostor", verified: "refused", pinned: "refused", socket: "refused" });
  });

  test("cannot add a CA to a pinned connection", async () => {
    const trusted = { url: impostor.url.replace("127.0.0.1", "localhost") };
    const found = await attempts(trusted.url, {
      NODE_EXTRA_CA_CERTS: attacker.path,
      SSL_CERT_FILE: attacker.path,
      SSL_CERT_DIR: join(files.home, "attacker", "tls"),
      NODE_OPTIONS: "--use-openssl-ca",
      BUN_OPTIONS: "--use-openssl-ca",
      NODE_TLS_REJECT_UNAUTHORIZED: "0",
    });
    // Whom the system trusts is for its owner to say, with variables too: so `verified` is let in here.
    expect(found).toEqual({ bare: "impostor", verified: "impostor", pinned: "refused", socket: "refused" });
  });

  test("cannot lead a pinned connection to another by a proxy, nor know of it where proxies are left out", async () => {
    const { url, lines, server } = await startProxy();
    const proxies = Object.fromEntries(
      ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"].map((name) => [name, url]),
    );
    const attack = { ...proxies, NODE_TLS_REJECT_UNAUTHORIZED: "0", NODE_EXTRA_CA_CERTS: attacker.path };
    const found = await attempts(conductor.url, attack);
    expect(found).toMatchObject({ bare: "impostor", pinned: "refused" });
    expect(found.socket).not.toBe("impostor");
    expect(lines.length).toBeGreaterThan(0);
    expect(new Set(lines)).toEqual(new Set([`CONNECT ${new URL(conductor.url).host} HTTP/1.1`]));

    lines.length = 0;
    const direct = await attempts(conductor.url, { ...attack, DIRECT: "1" });
    expect(direct).toMatchObject({ pinned: "conductor", socket: "open" });
    expect(lines).toEqual([]);
    server.close();
  });
});

test("verifiedFetch() trusts the system's CAs alone", async () => {
  await expect(verifiedFetch((url, init) => fetch(url, init))(conductor.url)).rejects.toThrow(/self.signed|issuer/);
});
