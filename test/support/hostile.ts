import { gzipSync } from "node:zlib";
import { CARD } from "./tiers.ts";

/** A peer that does harm at `GET /hardware`: what it answers, and what a tier is to say of it. */
export interface Hostile {
  name: string;
  answer(request: Request): Response | Promise<Response>;
  /** The code of the source's error. */
  code: string;
  /** In its message. */
  says: RegExp;
}

const json = (text: string, init?: ResponseInit) =>
  new Response(text, { ...init, headers: { "content-type": "application/json" } });
const list = (...hardware: unknown[]) => json(JSON.stringify({ hardware }));
/** `GET /N/hardware` is the N-th of them. A process of its own: an endless answer would starve the tests' event loop. */
export async function startHostile() {
  const child = Bun.spawn([process.execPath, new URL("./hostile-process.ts", import.meta.url).pathname], {
    stdout: "pipe",
    stderr: "inherit",
    stdin: "ignore",
  });
  const { value } = await child.stdout.getReader().read();
  return {
    url: new TextDecoder().decode(value).trim(),
    async stop() {
      child.kill("SIGKILL");
      await child.exited;
    },
  };
}

const uuid = (index: number) => `aaaaaaaa-0000-4000-8000-${index.toString(16).padStart(12, "0")}`;
const nested = (depth: number) => `${'{"a":'.repeat(depth)}1${"}".repeat(depth)}`;

/** A body made piece by piece, for as long as someone reads. */
function streamed(piece: () => Promise<string>): Response {
  const encoder = new TextEncoder();
  return new Response(
    new ReadableStream({
      async pull(controller) {
        controller.enqueue(encoder.encode(await piece()));
      },
    }),
  );
}

const CHUNK = '{"uuid":"nothing that ends"},'.repeat(2000);

export const HOSTILE: Hostile[] = [
  { name: "an endless body", answer: () => streamed(async () => CHUNK), code: "invalid", says: /at most \d+ bytes/ },
  {
    name: "a slow drip",
    answer: () => streamed(() => new Promise((resume) => setTimeout(() => resume(" "), 20))),
    code: "timeout",
    says: /within \d+ ms/,
  },
  { name: "no answer at all", answer: () => new Promise(() => {}), code: "timeout", says: /within \d+ ms/ },
  {
    name: "a body that is huge",
    answer: () => list({ ...CARD, name: "x".repeat(5_000_000) }),
    code: "invalid",
    says: /at most \d+ bytes/,
  },
  {
    name: "100,000 devices",
    answer: () => json(`{"hardware":[${Array.from({ length: 100_000 }, () => "{}").join(",")}]}`),
    code: "invalid",
    says: /at most 100 devices, got 100000/,
  },
  { name: "text that is no JSON", answer: () => json("<html>"), code: "invalid", says: /expected JSON/ },
  {
    name: "bytes that are no text",
    answer: () => new Response(new Uint8Array([0xff, 0xfe])),
    code: "invalid",
    says: /JSON/,
  },
  { name: "JSON that is no list", answer: () => json('{"hardware":{"0":1}}'), code: "invalid", says: /\/hardware/ },
  { name: "null", answer: () => json("null"), code: "invalid", says: /"hardware"/ },
  {
    name: "wrong types",
    answer: () => list({ ...CARD, acc_status: { setup_required: "no" } }),
    code: "invalid",
    says: /\/hardware\/0\/acc_status\/setup_required/,
  },
  {
    name: "a device that is no object",
    answer: () => list(null, 1, [], "x"),
    code: "invalid",
    says: /4 (of 4 )?devices refused/,
  },
  {
    name: "nesting as deep as it fits",
    answer: () => json(`{"hardware":[${nested(150_000)}]}`),
    code: "invalid",
    says: /./,
  },
  {
    name: "a valid device with deep nesting inside",
    answer: () =>
      json(
        JSON.stringify({ hardware: [{ ...CARD, uuid: uuid(1), extra: 0 }] }).replace(
          '"extra":0',
          `"extra":${nested(20_000)}`,
        ),
      ),
    code: "invalid",
    says: /deep/,
  },
  {
    name: "a uuid twice",
    answer: () => list({ uuid: uuid(2) }, { uuid: uuid(2).toUpperCase() }),
    code: "invalid",
    says: /came before/,
  },
  {
    name: "a gzip bomb",
    answer: () => new Response(gzipSync(new Uint8Array(20_000_000)), { headers: { "content-encoding": "gzip" } }),
    code: "invalid",
    says: /content-encoding/,
  },
  {
    name: "a redirect to a file",
    answer: () => new Response(null, { status: 302, headers: { location: "file:///etc/passwd" } }),
    code: "http_status",
    says: /302/,
  },
  {
    name: "a redirect to a metadata service",
    answer: () => new Response(null, { status: 307, headers: { location: "http://169.254.169.254/latest/meta-data" } }),
    code: "http_status",
    says: /307/,
  },
  {
    name: "500",
    answer: () => json('{"detail":"disk\\u0000 on fire \\ud800"}', { status: 500 }),
    code: "http_status",
    says: /500/,
  },
  { name: "304 without being asked", answer: () => new Response(null, { status: 304 }), code: "invalid", says: /304/ },
  { name: "204", answer: () => new Response(null, { status: 204 }), code: "invalid", says: /JSON/ },
  {
    name: "U+0000 in a device type",
    answer: () => list({ uuid: uuid(3), acc_specs: { device_type: "A\0" } }),
    code: "invalid",
    says: /device_type/,
  },
  {
    name: "half a character in a device type",
    answer: () => json(`{"hardware":[{"uuid":"${uuid(4)}","acc_specs":{"device_type":"\\ud800"}}]}`),
    code: "invalid",
    says: /device_type/,
  },
  {
    name: "a name of 1 MB",
    answer: () => list({ uuid: uuid(5), name: "x".repeat(1_000_000) }),
    code: "invalid",
    says: /\/hardware\/0\/name/,
  },
  {
    name: "numbers that are no numbers",
    answer: () => json(`{"hardware":[{"uuid":"${uuid(6)}","attributes":{"a":1e999}}]}`),
    code: "invalid",
    says: /attributes/,
  },
  {
    name: "a source that says NEVER",
    answer: () => json('{"hardware":[],"sources":[{"name":"x","status":"LOVELY"}]}'),
    code: "invalid",
    says: /sources/,
  },
];

/** A connection that ends before its answer does. */
export function resetting() {
  const server = Bun.listen({
    hostname: "127.0.0.1",
    port: 0,
    socket: {
      data(socket) {
        socket.write("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{");
        socket.terminate();
      },
    },
  });
  return { url: `http://127.0.0.1:${server.port}`, stop: () => server.stop(true) };
}
