// A driver (or, without a type, an agent) that someone wrote from the seed's text alone: its JSON with its misprint, one
// hello and never another, no versions, no operations, no names. It imports nothing of ours, and must not.
// usage: stranger.ts PORT UPSTREAM-HOST:PORT|- [TYPE]
import { createServer, request } from "node:http";

const [port, upstream = "-", type] = process.argv.slice(2);
const hardware = [
  {
    uuid: "8e45a2ea-5364-4b0d-a252-bf8becaa606e",
    acc_specs: {
      remote: 0,
      num: 1,
      device_type: "CRYPTO",
      acc_capability: { num: 2, ipsec: { aes: { "3des": 50, num: 1 } } },
    },
    acc_status: { setup_required: true, reboot_equired: false },
  },
];

const server = createServer((req, res) => {
  res.setHeader("Content-Type", "application/json");
  if (req.method === "GET" && req.url === "/hardware") res.end(JSON.stringify({ hardware }));
  else if (req.method === "POST" && req.url === "/discovery") res.end(JSON.stringify({ status: "IN-PROGRESS" }));
  else res.writeHead(404).end();
});
server.listen(Number(port), "127.0.0.1", () => {
  const address = server.address();
  const endpoint = `localhost:${typeof address === "object" ? address?.port : port}`;
  console.log(endpoint);
  if (upstream === "-") return;
  const hello = request(`http://${upstream}/hello`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
  });
  hello.end(JSON.stringify({ status: "READY", endpoint, type }));
});
