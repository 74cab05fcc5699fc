// One end of the links that links.ts measures, in a process of its own:
//   conductor HOST PORT CERT KEY        accepts links and answers hellos
//   agents URL CERT COUNT EVERY-MS      holds so many links and says hello on each, EVERY-MS apart, 0: once for each line of stdin,
// telling what it has done in lines of JSON.
import { readFileSync } from "node:fs";
import { makeNodeKey, readNodeKey, verifyProof } from "../src/auth/node-key.ts";
import type { Link } from "../src/client/link/call.ts";
import { connectSocket } from "../src/client/link/connect.ts";
import { acceptLink, openLink } from "../src/client/link/handshake.ts";
import type { Socket } from "../src/client/link/socket.ts";
import { listen } from "../src/serve.ts";
import { realWorld } from "../src/world.ts";

const world = realWorld((level, message, fields) => level !== "debug" && console.error(message, fields));
const tell = (line: object) => console.log(JSON.stringify(line));

const HELLO = {
  method: "POST",
  headers: {
    accept: "application/json, application/problem+json",
    "content-type": "application/json",
    "sinew-api-version": "1.0",
  },
  body: JSON.stringify({
    status: "READY",
    endpoint: "http://localhost:1337",
    name: "compute-0001",
    node: { id: "7c6f2a9e-3c1b-4f0e-9a55-0d8f6c1e2b3a", name: "compute-0001", labels: {} },
    api: { min: "1.0", max: "1.0" },
    generation: "d41d8cd98f00b204e9800998ecf8427e",
    boot_id: "0c9e8d4a-6b1f-4a3e-8d2b-5f7a9c0e1d2f",
  }),
};
const ANSWER = JSON.stringify({
  status: "REGISTERED",
  uuid: "3b241101-e2bb-4255-8caf-4136c566a962",
  api: "1.0",
  lease: { ttl_seconds: 30 },
});

async function conductor(host: string, port: number, cert: string, key: string): Promise<void> {
  const links: Link[] = [];
  const verify = (proof: string, nonce: string) => verifyProof(proof, { aud: "link bench", nonce });
  const handle = async (request: Request) => {
    await request.text();
    return new Response(ANSWER, { headers: { "content-type": "application/json", "sinew-api-version": "1.0" } });
  };
  const accept = (socket: Socket) =>
    acceptLink(socket, { conductor: "bench", verify, handle, world }).then(
      ({ link }) => links.push(link),
      (error) => console.error(error),
    );
  await listen(
    { host, port },
    (_, env) => env.upgrade?.((socket) => void accept(socket)) ?? new Response(null, { status: 426 }),
    {
      tls: { cert: readFileSync(cert, "utf8"), key: readFileSync(key, "utf8") },
      limits: { requests: 20_000, sockets: 20_000 },
    },
  );
  tell({ ready: true });
}

/** So many at a time: a storm is as wide as the accept queue lets it be. */
const WIDTH = 128;

async function agents(url: string, cert: string, count: number, everyMs: number): Promise<void> {
  const ca = readFileSync(cert, "utf8");
  const key = await readNodeKey(await makeNodeKey());
  const prove = ({ nonce, conductor }: { nonce: string; conductor: string }) =>
    key.sign({ sub: "7c6f2a9e-3c1b-4f0e-9a55-0d8f6c1e2b3a", aud: `link ${conductor}`, nonce, boot: "bench" });
  const links: Link[] = [];
  const handle = () => new Response(null, { status: 404 });
  const hello = async (link: Link) => {
    const response = await link.fetch("http://link/hello", HELLO);
    if ((await response.text()) !== ANSWER) throw new Error(`not the answer: ${response.status}`);
  };
  let dialled = 0;
  const dialler = async () => {
    while (dialled < count) {
      dialled += 1;
      const socket = await connectSocket(url, { tls: { ca, serverName: "conductor.bench" }, deadlineMs: 60_000 });
      const link = await openLink(socket, { prove, handle, world });
      await hello(link);
      links.push(link);
    }
  };
  await Promise.all(Array.from({ length: Math.min(WIDTH, count) }, dialler));
  tell({ up: links.length });
  let beats = 0;
  const beat = async () => {
    await Promise.all(links.map(hello));
    beats += links.length;
    tell({ beats });
  };
  if (everyMs > 0) setInterval(beat, everyMs);
  else for await (const _ of console) await beat();
}

const [role, ...args] = process.argv.slice(2);
if (role === "conductor") await conductor(args[0] ?? "", Number(args[1]), args[2] ?? "", args[3] ?? "");
else await agents(args[0] ?? "", args[1] ?? "", Number(args[2]), Number(args[3]));
