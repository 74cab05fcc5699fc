// `bun bench/load.ts URL REQUESTS CONNECTIONS TOKEN`: GETs over kept connections, one at a time on each, and prints the seconds
// it took. Bytes are counted, not parsed: a client as dear as the server would measure itself.
import type { Socket } from "bun";

const [target = "", requests = "0", connections = "1", token = ""] = process.argv.slice(2);
const { hostname, port, host, pathname, search } = new URL(target);
if (hostname !== "127.0.0.1") throw new Error(`load is for this machine only, got ${hostname}`);
const total = Math.min(Number(requests), 100_000);
setTimeout(() => fail("not done within 120 s"), 120_000);

const head = `GET ${pathname}${search} HTTP/1.1\r\nhost: ${host}\r\nauthorization: Bearer ${token}\r\n\r\n`;
const request = Buffer.from(head);
const size = await answerSize();
let sent = 0;
let answered = 0;

/** Bytes of one whole answer, the same for each: it is a fixed resource. */
async function answerSize(): Promise<number> {
  const { promise, resolve } = Promise.withResolvers<number>();
  let answer = Buffer.alloc(0);
  const socket = await Bun.connect({
    hostname,
    port: Number(port),
    socket: {
      data(_, chunk) {
        answer = Buffer.concat([answer, chunk]);
        const end = answer.indexOf("\r\n\r\n");
        if (end < 0) return;
        const length = /^content-length: (\d+)/im.exec(answer.toString("latin1", 0, end))?.[1];
        if (length === undefined) fail(`no content-length in ${answer.toString("latin1", 0, end)}`);
        resolve(end + 4 + Number(length));
      },
    },
  });
  socket.write(head);
  const bytes = await promise;
  socket.end();
  return bytes;
}

function fail(reason: string): never {
  console.error(reason);
  process.exit(1);
}

const began = performance.now();
const { promise: done, resolve: finish } = Promise.withResolvers<void>();

function next(socket: Socket<{ left: number }>) {
  if (sent === total) return;
  sent++;
  socket.data.left = size;
  if (socket.write(request) !== request.length) fail("a request was not taken whole");
}

for (let index = 0; index < Number(connections); index++) {
  await Bun.connect<{ left: number }>({
    hostname,
    port: Number(port),
    data: { left: 0 },
    socket: {
      open: next,
      data(socket, chunk) {
        // "HTTP/1.1 200"
        if (socket.data.left === size && chunk.byteLength > 9 && chunk[9] !== 0x32)
          fail(chunk.toString("latin1", 0, 200));
        socket.data.left -= chunk.byteLength;
        if (socket.data.left < 0) fail("an answer was longer than the first");
        if (socket.data.left > 0) return;
        if (++answered === total) finish();
        else next(socket);
      },
      close() {
        if (answered < total) fail("the server closed a connection");
      },
    },
  });
}
await done;
console.log((performance.now() - began) / 1000);
process.exit(0);
