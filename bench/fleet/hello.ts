import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { freePort } from "../../test/support/ports.ts";
import { alternate, compared, type Row, row, spread } from "../measure.ts";
import { type Peer, type startPeer, withPeers } from "../peers.ts";
import { cpuMs, pollUntil, scratch } from "../processes.ts";
import { conductor } from "./conductor.ts";
import { idOf } from "./device.ts";
import { openStore } from "./store.ts";

const FLOOR = new URL("./floor.ts", import.meta.url).pathname;
const GREETERS = new URL("./greeters.ts", import.meta.url).pathname;
const REQUESTS = 20_000;
const ROUNDS = 5;

/** Unchanged hellos over kept HTTP connections against a server that only reads them, in fleets of growing size. */
export async function hello(fleet: number, say: (text: string) => void): Promise<Row[]> {
  const rows: Row[] = [];
  const cpu: { nodes: number; us: number }[] = [];
  for (const nodes of [fleet / 100, fleet / 10, fleet].map((count) => Math.max(1, Math.round(count)))) {
    say(`hellos over HTTP, ${nodes} nodes`);
    const pairs = await measure(nodes);
    const of = (one: (round: { perSecond: number; us: number }) => number) =>
      pairs.map(([ours, theirs]): [number, number] => [one(ours), one(theirs)]);
    const reached = spread(pairs.map(([ours]) => ours.perSecond)).median;
    const what = `an unchanged hello over kept HTTP, ${nodes} nodes known`;
    const against = "Bun.serve that reads it";
    rows.push(
      compared(
        { what: `CPU of ${what}`, unit: "us", against, target: { of: "ratio", limit: "at most", value: 2 } },
        of(({ us }) => us),
      ),
      {
        ...compared(
          { what: `${what}, by that CPU`, unit: "/s", against },
          of(({ us }) => 1e6 / us),
        ),
        target: { of: "ours", limit: "at least", value: 30_000 },
        note: `${Math.round(reached)} a second were sent, by one process`,
      },
    );
    cpu.push({ nodes, us: spread(pairs.map(([ours]) => ours.us)).median });
  }
  const [small, large] = [cpu[0], cpu.at(-1)];
  if (!small || !large || small.nodes === large.nodes) return rows;
  const slope = Math.log(large.us / small.us) / Math.log(large.nodes / small.nodes);
  const what = `CPU of a hello over HTTP, ${large.nodes} nodes over ${small.nodes}`;
  return [
    ...rows,
    row({
      ...{ what, unit: "us", against: `${small.nodes} nodes`, ours: spread([large.us]), theirs: spread([small.us]) },
      ...{ ratio: spread([large.us / small.us]), note: `exponent ${slope.toFixed(2)}: flat is 0` },
    }),
  ];
}

async function measure(nodes: number) {
  const db = `sqlite:${join(scratch(), "hello.sqlite")}`;
  const ours = conductor({ db, tls: false, args: ["--auth", "open"] });
  await ours.start();
  const store = await openStore(db);
  try {
    return await withPeers(async (start) => {
      const greeters = start(GREETERS, [String(nodes)], ["taskset", "-c", "1"]);
      await greeters.told("ready");
      await say(greeters, ours.port, nodes);
      while ((await store.devices()) < nodes) await Bun.sleep(50);
      // Each is known with what it has, and says so once more: from here on nothing changes.
      await say(greeters, ours.port, 2 * nodes);
      const floor = await floorOf(start);
      const side = (pid: number, port: number) => async () => {
        const before = cpuMs(pid);
        const ms = await say(greeters, port, REQUESTS);
        return { perSecond: (REQUESTS * 1000) / ms, us: ((cpuMs(pid) - before) * 1000) / REQUESTS };
      };
      return await alternate(ROUNDS, side(ours.pid, ours.port), side(floor.pid, floor.port));
    });
  } finally {
    await ours.stop();
    await store.close();
  }
}

/** Says so many hellos; the milliseconds that they took. */
async function say(greeters: Peer, port: number, times: number): Promise<number> {
  const [said, spent] = [greeters.last("said") ?? 0, greeters.last("spent") ?? 0];
  greeters.write(`say ${port} ${times}\n`);
  await greeters.told("said", said + times);
  return (greeters.last("spent") ?? 0) - spent;
}

/** A server that gives the very answer of the conductor, headers and all. */
async function floorOf(start: typeof startPeer): Promise<{ pid: number; port: number }> {
  const answer = {
    headers: [
      ["content-type", "application/json"],
      ["sinew-api-version", "1.0"],
      ["x-content-type-options", "nosniff"],
    ],
    body: JSON.stringify({ status: "REGISTERED", uuid: idOf(0), api: "1.0", lease: { ttl_seconds: 10 } }),
  };
  const file = join(scratch(), "answer.json");
  writeFileSync(file, JSON.stringify(answer));
  const port = freePort();
  const { pid } = start(FLOOR, [String(port), file], ["taskset", "-c", "0"]);
  await pollUntil(`http://127.0.0.1:${port}/`, ({ ok }) => ok, { pauseMs: 20 });
  return { pid, port };
}
