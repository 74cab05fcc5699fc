import type { Random } from "./random.ts";

/** Bytes that are no well-formed request, or more than one. */
export interface Shape {
  name: string;
  bytes: Uint8Array | string;
  /** As many responses as it may get; 0: the rest of it never comes, and whoever sent it hangs up. */
  answers: number;
}

const HOST = "Host: sinew\r\n";
const CLOSE = "Connection: close\r\n";
const HELLO = '{"status":"READY","endpoint":"unix:/nowhere.sock","name":"a"}';
const POST = `POST /hello HTTP/1.1\r\n${HOST}Content-Type: application/json\r\n`;
const SMUGGLED = `GET /smuggled HTTP/1.1\r\n${HOST}${CLOSE}\r\n`;

export function makeShape(random: Random): Shape {
  const shapes: Shape[] = [
    ...[
      `GET  /hardware HTTP/1.1\r\n${HOST}\r\n`,
      `GET /hardware HTTP/9.9\r\n${HOST}\r\n`,
      `GET /hardware\r\n\r\n`,
      `GET http://[::1 HTTP/1.1\r\n${HOST}\r\n`,
      `GET /a b HTTP/1.1\r\n${HOST}\r\n`,
      `GET /\x00 HTTP/1.1\r\n${HOST}\r\n`,
      `\r\n\r\n\r\n`,
      `PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n`,
      `OPTIONS * HTTP/1.1\r\n${HOST}${CLOSE}\r\n`,
      `GET /hardware HTTP/1.1\r\n${CLOSE}\r\n`,
      `GET /hardware HTTP/1.1\r\n${HOST}Host: other\r\n${CLOSE}\r\n`,
      `GET /hardware HTTP/1.1\r\nHost: a b/\\?#\r\n${CLOSE}\r\n`,
      `GET /hardware HTTP/1.1\r\nNo colon here\r\n${CLOSE}\r\n`,
      `GET /hardware HTTP/1.1\r\n${HOST} folded: x\r\n y\r\n${CLOSE}\r\n`,
      `GET /hardware HTTP/1.1\r\n${HOST}X: a\x00b\r\n${CLOSE}\r\n`,
      `GET /hardware HTTP/1.1\nHost: sinew\nConnection: close\n\n`,
      `GET /${"x".repeat(40_000)} HTTP/1.1\r\n${HOST}\r\n`,
      `GET /hardware HTTP/1.1\r\n${HOST}${"X: y\r\n".repeat(3000)}\r\n`,
      `\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03`,
    ].map((bytes) => ({ name: "a bad request line or header", bytes, answers: 1 })),
    ...[
      `${POST}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${SMUGGLED}`,
      `${POST}Content-Length: 5\r\nContent-Length: ${5 + SMUGGLED.length}\r\n\r\n{"a":${SMUGGLED}`,
      `${POST}Content-Length: +5\r\n\r\n{"a":${SMUGGLED}`,
      `${POST}Content-Length: 5, 5\r\n\r\n{"a":${SMUGGLED}`,
      `${POST}Content-Length : 5\r\n\r\n{"a":${SMUGGLED}`,
      `${POST}Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n${SMUGGLED}`,
      `${POST}Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n${SMUGGLED}`,
      `${POST}Transfer-Encoding:\x0bchunked\r\n\r\n0\r\n\r\n${SMUGGLED}`,
      `${POST}Transfer-Encoding: chunked\r\n\r\n-1\r\n\r\n${SMUGGLED}`,
      `${POST}Transfer-Encoding: chunked\r\n\r\nffffffffffffffff1\r\n\r\n${SMUGGLED}`,
      `${POST}Content-Length: -1\r\n\r\n${SMUGGLED}`,
      `${POST}Content-Length: 99999999999999999999\r\n\r\n${SMUGGLED}`,
    ].map((bytes) => ({ name: "one request, or two for who reads otherwise", bytes, answers: 1 })),
    {
      name: "three requests in one go",
      bytes: `GET /healthz HTTP/1.1\r\n${HOST}\r\n${POST}Content-Length: ${HELLO.length}\r\n\r\n${HELLO}${SMUGGLED}`,
      answers: 3,
    },
    {
      name: "a body in chunks",
      bytes: `${POST}${CLOSE}Transfer-Encoding: chunked\r\n\r\n${HELLO.length.toString(16)};x=y\r\n${HELLO}\r\n0\r\n\r\n`,
      answers: 1,
    },
    {
      // Bun 1.4.5 knows no trailers: after its answer it refuses what follows.
      name: "a body in chunks, with a trailer",
      bytes: `${POST}${CLOSE}Transfer-Encoding: chunked\r\n\r\n${HELLO.length.toString(16)}\r\n${HELLO}\r\n0\r\nT: t\r\n\r\n`,
      answers: 2,
    },
    ...[
      `GET /hardw`,
      `GET /hardware HTTP/1.1\r\nHos`,
      `${POST}Content-Length: 1000\r\n\r\n{"status":`,
      `${POST}Transfer-Encoding: chunked\r\n\r\n5\r\n{"a`,
      `${POST}Expect: 100-continue\r\nContent-Length: 10\r\n\r\n`,
    ].map((bytes) => ({ name: "half a request", bytes, answers: 0 })),
    { name: "random bytes", bytes: random.bytes(1 + random.int(500)), answers: 0 },
  ];
  return random.pick(shapes);
}
