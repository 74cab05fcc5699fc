// `bun bench/fleet/links-floor.ts serve PORT CERT-FILE KEY-FILE`: a Bun.serve whose WebSockets over TLS say back what they hear.
// `bun bench/fleet/links-floor.ts dial URL CA-FILE SERVER-NAME COUNT`: opens so many within a second, as agents do, and says a
// word over each. What a link costs that asks nobody who it is: no conductor on this runtime goes below.
import { readFileSync } from "node:fs";

const tell = (line: Record<string, number>) => console.log(JSON.stringify(line));
const DIAL_MS = 1_000;
const [what = "", where = "", ...rest] = process.argv.slice(2);

if (what === "serve") {
  const [cert = "", key = ""] = rest;
  Bun.serve({
    hostname: "127.0.0.1",
    port: Number(where),
    tls: { cert: readFileSync(cert, "utf8"), key: readFileSync(key, "utf8") },
    fetch: (request, server) => (server.upgrade(request) ? undefined : new Response(null, { status: 400 })),
    websocket: { message: (socket, data) => void socket.send(data), perMessageDeflate: false },
  });
  tell({ serving: 1 });
} else {
  const [ca = "", serverName = "", count = "0"] = rest;
  const tls = { ca: readFileSync(ca, "utf8"), serverName, rejectUnauthorized: true };
  const held: WebSocket[] = [];
  let answered = 0;
  const dial = () => {
    const socket = new WebSocket(where, { tls, perMessageDeflate: false });
    held.push(socket);
    socket.onopen = () => socket.send("word");
    socket.onmessage = () => {
      answered += 1;
      if (answered === Number(count)) tell({ answered });
    };
  };
  for (let at = 0; at < Number(count); at += 1) setTimeout(dial, (at * DIAL_MS) / Number(count));
}
