// `bun bench/fleet/agents.ts SPEC`: agents in one process, each with a key, a link and a lease of its own, all by the
// agent's own code; only their devices are made up. SPEC is JSON (see Spec). Takes a command on each line of stdin:
//   dial                 all links are dialled within a second, and dialled again as an agent does
//   beat                 every agent says hello now
//   change PER-SECOND N  so many devices change, one after the other
// and tells in lines of JSON how many links are up and have said hello, and how many hellos were answered.
import { readFileSync, writeFileSync } from "node:fs";
import { makeNodeKey, type NodeKey, readNodeKey } from "../../src/auth/node-key.ts";
import { CONNECT_MS, connectSocket } from "../../src/client/link/connect.ts";
import { type HeldLink, holdLink } from "../../src/client/link/redial.ts";
import { createPeer } from "../../src/client/peer.ts";
import type { Hello } from "../../src/contract/hello.ts";
import { createUpward, type Upward } from "../../src/tiers/upward.ts";
import { realWorld, type World } from "../../src/world.ts";
import { DEVICES, devicesOf, idOf, type Template } from "./device.ts";

export interface Spec {
  count: number;
  /** The conductors, of which each agent has joined one; `ca`: a file with its CA's certificate. */
  conductors: { port: number; ca: string; serverName: string }[];
  /** Source addresses to spread the agents over, each a route of its own: 127.1.x.y. */
  addresses: number;
  /** Where to write the thumbprints of their keys, a JSON array. */
  keys: string;
  /** File with the devices to say there are. */
  template: string;
}

const spec: Spec = JSON.parse(process.argv[2] ?? "{}");
const template: Template = JSON.parse(readFileSync(spec.template, "utf8"));
const tell = (line: Record<string, number>) => console.log(JSON.stringify(line));
const said = new Map<string, number>();
const world: World = realWorld((level, message, fields) => {
  if (level === "debug" || level === "info") return;
  const text = `${message} ${JSON.stringify(fields ?? {})}`;
  said.set(text, (said.get(text) ?? 0) + 1);
});

let up = 0;
let beats = 0;
let answered = 0;
let due = false;

/** At most one line every 20 ms: the count is of interest, not each step. */
function count(): void {
  if (due) return;
  due = true;
  setTimeout(() => {
    due = false;
    tell({ up, beats, answered, at: performance.timeOrigin + performance.now() });
  }, 20);
}

/** Nothing in the world starts ten thousand machines in the same millisecond. */
const DIAL_MS = 1_000;

class Agent {
  readonly index: number;
  readonly #held: HeldLink;
  readonly upward: Upward;
  /** The device that changed last, and when. */
  #changed: { device: number; at: number } | null = null;
  #changes = 0;
  /** Its link is up, and its hello was answered since. */
  #counted = false;
  #linked = false;

  constructor(index: number, key: NodeKey, { port, ca, serverName }: Spec["conductors"][number]) {
    this.index = index;
    const host = `127.1.${Math.floor((index % spec.addresses) / 250)}.${((index % spec.addresses) % 250) + 1}`;
    const url = `https://${host}:${port}`;
    const id = idOf(index);
    const boot = `bench-${index}`;
    this.#held = holdLink({
      connect: () =>
        connectSocket(`${url.replace(/^http/, "ws")}/link`, {
          tls: { ca, serverName },
          deadlineMs: CONNECT_MS,
        }),
      prove: ({ nonce, conductor }) => key.sign({ sub: id, aud: `link ${conductor}`, nonce, boot }),
      handle: (request) => this.#answer(request),
      world,
      limits: { deadAfterMs: 60_000 },
      onState: ({ kind }) => {
        this.#linked = kind === "up";
        if (kind === "up") this.upward.announce();
        else this.#uncount();
      },
    });
    const peer = createPeer({ kind: "http", base: url }, { ...world, fetch: this.#held.fetch });
    const hello = (): Hello => ({
      status: "READY",
      endpoint: `http://compute-${index}:1337`,
      name: `compute-${index}`,
      node: { id, name: `compute-${index}`, labels: { site: `site-${index % 100}` } },
      api: { min: "1.0", max: "1.0" },
      generation: this.#generation,
      boot_id: boot,
    });
    const counted: typeof peer = {
      endpoint: peer.endpoint,
      request: async (request) => {
        const answer = await peer.request(request);
        beats += 1;
        this.#count();
        return answer;
      },
    };
    this.upward = createUpward({ peer: counted, hello, world });
  }

  get #generation(): string {
    return `${this.index.toString(16).padStart(8, "0")}${this.#changes.toString(16).padStart(24, "0")}`;
  }

  #count(): void {
    if (!this.#linked) return;
    if (!this.#counted) {
      this.#counted = true;
      up += 1;
    }
    count();
  }

  #uncount(): void {
    if (!this.#counted) return;
    this.#counted = false;
    up -= 1;
    count();
  }

  #answer(request: Request): Response {
    const tag = `W/"${this.#generation}"`;
    if (new URL(request.url).pathname !== "/hardware") return new Response(null, { status: 404 });
    answered += 1;
    count();
    if (request.headers.get("if-none-match") === tag)
      return new Response(null, { status: 304, headers: { etag: tag } });
    const body = devicesOf(template, this.index, this.#generation, this.#changed);
    return new Response(body, { headers: { "content-type": "application/json", etag: tag } });
  }

  dial(): void {
    this.#held.start();
    this.upward.start();
  }

  change(): void {
    this.#changes += 1;
    this.#changed = { device: this.#changes % DEVICES, at: performance.timeOrigin + performance.now() };
    this.upward.announce();
  }
}

const keys: NodeKey[] = [];
for (let index = 0; index < spec.count; index += 1) keys.push(await readNodeKey(await makeNodeKey()));
writeFileSync(spec.keys, JSON.stringify(keys.map(({ thumbprint }) => thumbprint)));
tell({ keys: keys.length });
let agents: Agent[] = [];

async function change(perSecond: number, total: number): Promise<void> {
  const since = performance.now();
  for (let made = 0; made < total; ) {
    const should = Math.min(total, Math.floor(((performance.now() - since) / 1000) * perSecond));
    for (; made < should; made += 1) agents[made % agents.length]?.change();
    await Bun.sleep(1);
  }
  tell({ changed: total });
}

for await (const line of console) {
  const [word, ...args] = line.split(" ");
  if (word === "dial") {
    const conductors = spec.conductors.map((one) => ({ ...one, ca: readFileSync(one.ca, "utf8") }));
    agents = keys.flatMap((key, index) => {
      const conductor = conductors[index % conductors.length];
      return conductor ? [new Agent(index, key, conductor)] : [];
    });
    for (const [at, agent] of agents.entries()) setTimeout(() => agent.dial(), (at * DIAL_MS) / agents.length);
  } else if (word === "beat") for (const { upward } of agents) upward.announce();
  else if (word === "change") void change(Number(args[0]), Number(args[1]));
  else if (word === "said") {
    for (const [text, times] of [...said].sort(([, a], [, b]) => b - a).slice(0, 10)) console.error(times, text);
    tell({ said: said.size });
  }
}
