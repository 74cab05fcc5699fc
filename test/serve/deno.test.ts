import { afterAll, afterEach, describe, expect, test } from "bun:test";
import { connectSocket } from "../../src/client/link/connect.ts";
import { certificates } from "../support/certificates.ts";
import { denoPath } from "../support/deno.ts";
import { startScript, stopScripts } from "../support/script.ts";

const NODE = "3f0e9b52-7be1-4f0e-8a5f-3f1f0c6b7a11";
const files = certificates();
afterEach(stopScripts);
afterAll(() => files.close());

const source = (path: string) => JSON.stringify(new URL(`../../src/${path}`, import.meta.url).href);
const program = (work: string, env: Record<string, string> = {}) =>
  startScript(["eval", "--ext=ts", "--no-lock", work], { runtime: denoPath ?? "", env });

describe.skipIf(!denoPath)("on Deno", () => {
  test("a listener speaks TLS, and a request becomes a WebSocket through middleware that copies responses", async () => {
    const authority = await files.authority("authority");
    const { url } = await program(
      `import { listen } from ${source("serve.ts")};
      const listener = await listen({ host: "127.0.0.1", port: 0 }, async (_, env) => {
        const upgraded = env.upgrade?.((socket) => {
          socket.onMessage = (bytes) => socket.send(bytes);
        });
        return upgraded ? new Response(upgraded.body, upgraded) : new Response(env.local);
      }, { tls: JSON.parse(Deno.env.get("TLS")) });
      console.log("ready on " + listener.url);`,
      { TLS: JSON.stringify(await authority.leaf(NODE)) },
    );
    const tls = { ca: authority.ca, serverName: NODE };
    expect(await (await fetch(url, { tls: { ...tls, rejectUnauthorized: true } })).text()).toBe(url);
    const socket = await connectSocket(url.replace("https", "wss"), { tls, deadlineMs: 5000 });
    const echoed = new Promise<number>((done) => {
      socket.onMessage = ({ length }) => done(length);
    });
    socket.send(new Uint8Array(1000));
    expect(await echoed).toBe(1000);
    const closed = new Promise<string>((done) => {
      socket.onClose = done;
    });
    socket.close(1000, "done");
    await closed;
  });

  test("a CA of its own is made, and what cannot be held to one CA says so instead of trusting the system's", async () => {
    const folder = `${files.home}/deno`;
    const { url } = await program(
      `import { mkdirSync } from "node:fs";
      import { listen } from ${source("serve.ts")};
      import { openTls } from ${source("cli/tls/tls.ts")};
      import { pinnedFetch } from ${source("client/pin.ts")};
      import { connectSocket } from ${source("client/link/connect.ts")};
      import { realWorld } from ${source("world.ts")};
      mkdirSync(${JSON.stringify(folder)});
      const said = [];
      const say = (work) => Promise.resolve().then(work).catch((error) => said.push(error.message));
      const names = { node: "${NODE}", hosts: [] };
      const open = { state: ${JSON.stringify(folder)}, names, files: null, clientCa: null, world: realWorld(() => {}) };
      const { tls, ca } = await openTls(open);
      await say(() => pinnedFetch(fetch, { ca, serverName: "${NODE}" }));
      await say(() => connectSocket("wss://127.0.0.1:1", { tls: { ca, serverName: "${NODE}" }, deadlineMs: 100 }));
      const at = { host: "127.0.0.1", port: 0 };
      await say(() => listen(at, () => new Response(), { tls: { ...tls, clientCa: ca } }));
      const listener = await listen(at, () => Response.json({ said, ca }), { tls });
      await say(() => listener.renew(tls));
      console.log("ready on " + listener.url);`,
    );
    const ca = await Bun.file(`${folder}/tls/ca.crt`).text();
    const response = await fetch(url, { tls: { ca, serverName: NODE, rejectUnauthorized: true } });
    expect(await response.json()).toEqual({
      ca,
      said: [
        expect.stringContaining("this needs Bun"),
        expect.stringContaining("needs Bun"),
        expect.stringContaining("client certificates cannot be required on Deno"),
        expect.stringContaining("cannot be renewed on Deno"),
      ],
    });
  });
});
