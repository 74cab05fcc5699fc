// `bun bench/fleet/greeters.ts COUNT`: nodes that have no link, and say hello over kept HTTP connections. Answers what they are
// asked on a port of its own, which it tells. Takes a command on each line of stdin:
//   say PORT TIMES   so many hellos, each node in turn, one at a time on each connection
import type { Socket } from "bun";
import { idOf } from "./device.ts";

const CONNECTIONS = 32;
const count = Number(process.argv[2]);
const tell = (line: object) => console.log(JSON.stringify(line));

let asked = 0;
const server = Bun.serve({
  hostname: "127.0.0.1",
  port: 0,
  fetch({ url }) {
    asked += 1;
    const index = Number(/^\/(\d+)\/hardware/.exec(new URL(url).pathname)?.[1] ?? Number.NaN);
    const uuid = `${index.toString(16).padStart(8, "0")}-0000-5000-8000-00000000f1ef`;
    const source = { name: "gpu", type: "GPU", endpoint: null, status: "OK", observed_at: null, count: 1, error: null };
    return Response.json({ hardware: [{ uuid, source: "gpu" }], sources: [source], generation: "0123456789abcdef" });
  },
});

const requests = Array.from({ length: count }, (_, index) => {
  const body = JSON.stringify({
    status: "READY",
    endpoint: `http://127.0.0.1:${server.port}/${index}`,
    name: `compute-${index}`,
    node: { id: idOf(index), name: `compute-${index}`, labels: { site: `site-${index % 100}` } },
    api: { min: "1.0", max: "1.0" },
    generation: "0123456789abcdef",
    boot_id: `bench-${index}`,
  });
  const head = `POST /hello HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: ${body.length}`;
  return Buffer.from(`${head}\r\n\r\n${body}`);
});

interface Call {
  answer: Buffer;
}

/** Whether these bytes are one whole answer. Throws for one that is no 200. */
function isWhole(bytes: Buffer): boolean {
  const end = bytes.indexOf("\r\n\r\n");
  if (end < 0) return false;
  const head = bytes.toString("latin1", 0, end);
  if (!head.startsWith("HTTP/1.1 200")) throw new Error(bytes.toString("latin1", 0, 300));
  return bytes.length >= end + 4 + Number(/^content-length: (\d+)/im.exec(head)?.[1]);
}

let next = 0;

async function say(port: number, times: number): Promise<void> {
  let left = times;
  let answered = 0;
  /** Answers are all as long as the first: only that one is looked at closely. */
  let size = 0;
  const { promise: done, resolve, reject } = Promise.withResolvers<void>();
  const write = (socket: Socket<Call>) => {
    if (left === 0) return;
    left -= 1;
    const request = requests[next++ % count];
    if (request && socket.write(request) !== request.length) reject(new Error("a request was not taken whole"));
  };
  const sockets = await Promise.all(
    Array.from({ length: Math.min(CONNECTIONS, times) }, () =>
      Bun.connect<Call>({
        hostname: "127.0.0.1",
        port,
        data: { answer: Buffer.alloc(0) },
        socket: {
          open: write,
          data(socket, chunk) {
            try {
              const fast = chunk.length === size && socket.data.answer.length === 0 && chunk[9] === 0x32;
              if (!fast) {
                socket.data.answer = Buffer.concat([socket.data.answer, chunk]);
                if (!isWhole(socket.data.answer)) return;
                size = socket.data.answer.length;
                socket.data.answer = Buffer.alloc(0);
              }
            } catch (error) {
              reject(error instanceof Error ? error : new Error(String(error)));
              return;
            }
            answered += 1;
            if (answered === times) resolve();
            else write(socket);
          },
          close: () => reject(new Error("the server closed a connection")),
        },
      }),
    ),
  );
  await done;
  for (const socket of sockets) socket.end();
}

let said = 0;
let spent = 0;
tell({ ready: 1 });
for await (const line of console) {
  const [word, port, times] = line.split(" ");
  if (word !== "say") continue;
  const since = performance.now();
  await say(Number(port), Number(times));
  spent += performance.now() - since;
  said += Number(times);
  tell({ asked, spent, said });
}
