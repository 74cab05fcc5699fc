import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Peer, withPeers } from "../peers.ts";
import { cpuMs, memoryMb, scratch, TOKEN } from "../processes.ts";
import type { Spec } from "./agents.ts";
import { type Conductor, conductor } from "./conductor.ts";
import { DEVICES, template } from "./device.ts";
import { linksFloor } from "./links.ts";
import { openStore, type Store } from "./store.ts";

const AGENTS = new URL("./agents.ts", import.meta.url).pathname;
const READER = new URL("./reader.ts", import.meta.url).pathname;
const LIST_SQL = new URL("./list-sql.ts", import.meta.url).pathname;
/** Everything but the conductor runs here. */
export const ELSEWHERE = ["taskset", "-c", "1"];
/** Readers come first, so that their times are the conductor's and not those of the agents beside them. */
const FIRST = [...ELSEWHERE, "nice", "-n", "-10"];
/** Agents of one source address: links of one address that have not proved a key yet are limited. */
export const AGENTS_AN_ADDRESS = 50;
const BEATS = 4;
const REST_S = 10;
const CHANGES_S = 8;
const GIVE_UP_MS = 120_000;

/** What one fleet showed. Times in milliseconds unless they say otherwise. */
export interface Measured {
  agents: number;
  bootMs: number;
  linksMs: number;
  inventoryMs: number;
  inventoryCpuMs: number;
  coldReads: Times;
  coldBlock: number;
  lost: number;
  rssMb: number;
  beatUs: number;
  beatBytes: number;
  /** Rows a second by table, nobody doing anything. */
  written: Record<string, number>;
  restCpu: number;
  restBlock: number;
  changesPerSecond: number;
  feed: Times;
  changesBlock: number;
  changesCpu: number;
  changingList: Times;
  listUs: number;
  cachedUs: number;
  listSqlUs: number;
  backMs: number;
  /** CPU of the conductor until all links were back, for each; of a server that asks nobody who it is; and its memory. */
  backUs: number;
  floorUs: number;
  floorKb: number;
  backBootMs: number;
  backReads: Times;
  backBlock: number;
  backLost: number;
}

export interface Times {
  count: number;
  failed: number;
  p50: number;
  p99: number;
  max: number;
}

/** Counts agents in and out of one conductor: cold, at rest, under changes, and after a kill. */
export async function scenario(db: string, agents: number, say: (text: string) => void): Promise<Measured> {
  const own = conductor({ db });
  // The first start makes what each later one finds: tables, a key, a certificate.
  await own.start();
  await own.stop();
  const store = await openStore(db);
  try {
    return await withPeers(async (start) => {
      const fleet = start(AGENTS, [JSON.stringify(await specOf([own], agents))], ELSEWHERE);
      await fleet.told("keys", agents);
      await store.join(JSON.parse(readFileSync(keysOf(own), "utf8")));
      say(`${agents} agents have joined`);
      return await measure({ own, store, fleet, agents, start, say });
    });
  } finally {
    await own.kill();
    await store.close();
  }
}

export const keysOf = (own: Conductor) => `${own.ca}.keys`;

export async function specOf(conductors: Conductor[], count: number): Promise<Spec> {
  const file = join(scratch(), "template.json");
  writeFileSync(file, JSON.stringify(await template()));
  return {
    count,
    conductors: conductors.map(({ port, ca, serverName }) => ({ port, ca, serverName })),
    addresses: Math.ceil(count / AGENTS_AN_ADDRESS),
    keys: conductors[0] ? keysOf(conductors[0]) : "",
    template: file,
  };
}

interface Stage {
  own: Conductor;
  store: Store;
  fleet: Peer;
  agents: number;
  start: Parameters<Parameters<typeof withPeers>[0]>[0];
  say: (text: string) => void;
}

async function measure({ own, store, fleet, agents, start, say }: Stage): Promise<Measured> {
  // Cold: the conductor starts, all agents dial, every device is asked for.
  const began = Date.now();
  const ready = await own.start();
  // From when it is ready: before, nobody is served whom a block could keep waiting.
  const cpuAtStart = cpuMs(own.pid);
  fleet.write("dial\n");
  const reader = start(READER, [own.url, own.ca, own.serverName, TOKEN], FIRST);
  reader.write("read /hardware?limit=100 20\n");
  const linksMs = (await upSince(fleet, agents, ready)) - ready;
  say(`links are up after ${linksMs.toFixed(0)} ms`);
  const inventoryMs = (await complete(store, agents * DEVICES)) - ready;
  const inventoryCpuMs = cpuMs(own.pid) - cpuAtStart;
  say(`inventory is complete after ${inventoryMs.toFixed(0)} ms`);
  const coldReads = await timesOf(reader);
  const coldBlock = own.longestBlock(ready, Date.now());
  reader.write("rest\n");
  await Bun.sleep(5_000);
  const rssMb = memoryMb(own.pid).rss;

  // Everyone says hello, and nothing has changed.
  const beats = { us: [] as number[], bytes: [] as number[] };
  for (let round = 0; round <= BEATS; round += 1) {
    const before = { cpu: cpuMs(own.pid), bytes: loopbackBytes(), beats: fleet.last("beats") ?? 0 };
    fleet.write("beat\n");
    await fleet.told("beats", before.beats + agents);
    // With what is written down of them, a second later.
    await Bun.sleep(1_500);
    const count = (fleet.last("beats") ?? 0) - before.beats;
    if (round === 0) continue;
    beats.us.push(((cpuMs(own.pid) - before.cpu) * 1000) / count);
    beats.bytes.push((loopbackBytes() - before.bytes) / count);
  }

  // Nothing is done.
  await store.written();
  const rest = { at: Date.now(), cpu: cpuMs(own.pid) };
  await Bun.sleep(REST_S * 1000);
  const restCpu = (cpuMs(own.pid) - rest.cpu) / (Date.now() - rest.at);
  const restBlock = own.longestBlock(rest.at, Date.now());
  const written = Object.fromEntries(
    Object.entries(await store.written()).map(([name, count]) => [name, count / REST_S]),
  );

  const list = await lists(own, reader, start);
  say("at rest: measured");

  // Devices change, somebody follows, somebody lists.
  const perSecond = Math.min(1_000, agents);
  reader.write("follow\n");
  await reader.told("following");
  await Bun.sleep(500);
  await timesOf(reader);
  reader.write("read /hardware?limit=1000 100\n");
  const changing = { at: Date.now(), cpu: cpuMs(own.pid) };
  fleet.write(`change ${perSecond} ${perSecond * CHANGES_S}\n`);
  await fleet.told("changed", perSecond * CHANGES_S);
  const changesCpu = (cpuMs(own.pid) - changing.cpu) / (Date.now() - changing.at);
  const goal = perSecond * CHANGES_S;
  await Promise.race([reader.told("followed", goal), Bun.sleep(20_000)]);
  const changingList = await timesOf(reader);
  const feed: Times = {
    count: reader.last("delays") ?? 0,
    failed: goal - (reader.last("delays") ?? 0),
    p50: reader.last("delay50") ?? Number.NaN,
    p99: reader.last("delay99") ?? Number.NaN,
    max: reader.last("delayMax") ?? Number.NaN,
  };
  const changesBlock = own.longestBlock(changing.at, Date.now());
  say(`${goal} changes: ${feed.count} came, p99 ${feed.p99.toFixed(0)} ms`);

  // Killed, and started again with all that it knew.
  const lost = await store.lost();
  reader.write("rest\n");
  await own.kill();
  await fleetDown(fleet);
  await Bun.sleep(200);
  await timesOf(reader);
  const killed = Date.now();
  const back = await own.start();
  reader.write("read /hardware?limit=100 20\n");
  const cpuAtBack = cpuMs(own.pid);
  const backMs = (await upSince(fleet, agents, back)) - back;
  const backUs = ((cpuMs(own.pid) - cpuAtBack) * 1000) / agents;
  const backReads = await timesOf(reader);
  const backBlock = own.longestBlock(back, Date.now());
  say(`links are back after ${backMs.toFixed(0)} ms`);

  const backLost = (await store.lost()) - lost;
  await own.kill();
  await fleet.end();
  const floor = await linksFloor(agents, start);

  return {
    ...{ agents, bootMs: ready - began, linksMs, inventoryMs, inventoryCpuMs, coldReads, coldBlock, lost, rssMb },
    ...{ beatUs: median(beats.us), beatBytes: median(beats.bytes), written, restCpu, restBlock },
    ...{ changesPerSecond: perSecond, feed, changesBlock, changesCpu, changingList, ...list },
    ...{ backMs, backUs, ...floor, backBootMs: back - killed, backReads, backBlock, backLost },
  };
}

/** When every link was up with its hello answered, epoch; a time before `since` is not that of this start. */
export async function upSince(fleet: Peer, agents: number, since: number): Promise<number> {
  const until = Date.now() + GIVE_UP_MS;
  for (;;) {
    if ((fleet.last("up") ?? 0) >= agents && (fleet.last("at") ?? 0) > since) return fleet.last("at") ?? 0;
    if (Date.now() > until) {
      fleet.write("said\n");
      await fleet.told("said", 0);
      throw new Error(`${fleet.last("up")} of ${agents} links are up after ${GIVE_UP_MS} ms`);
    }
    await Bun.sleep(10);
  }
}

async function fleetDown(fleet: Peer): Promise<void> {
  for (const until = Date.now() + 10_000; (fleet.last("up") ?? 0) > 0 && Date.now() < until; ) await Bun.sleep(5);
}

export async function complete(store: Store, devices: number): Promise<number> {
  const until = Date.now() + GIVE_UP_MS;
  for (;;) {
    const there = await store.devices();
    if (there >= devices) return Date.now();
    if (Date.now() > until) throw new Error(`${there} of ${devices} devices are there after ${GIVE_UP_MS} ms`);
    await Bun.sleep(100);
  }
}

async function timesOf(reader: Peer): Promise<Times> {
  const asked = (reader.last("asked") ?? 0) + 1;
  reader.write("times\n");
  await reader.told("asked", asked);
  const of = (name: string) => reader.last(name) ?? Number.NaN;
  return { count: of("reads"), failed: of("failed"), p50: of("p50"), p99: of("p99"), max: of("max") };
}

const LISTS = 40;

/** CPU of a list of 1,000 rows: kept, made anew, and the bare statement on the same core. */
async function lists(own: Conductor, reader: Peer, start: Stage["start"]) {
  const of = async (tag: string): Promise<number> => {
    const us: number[] = [];
    for (let round = 0; round < 4; round += 1) {
      const before = cpuMs(own.pid);
      const done = (reader.last("listed") ?? 0) + LISTS;
      reader.write(`list /hardware?limit=1000 ${LISTS} ${tag}\n`);
      await reader.told("listed", done);
      if (round > 0) us.push(((cpuMs(own.pid) - before) * 1000) / LISTS);
    }
    return median(us);
  };
  const cachedUs = await of("");
  // With a condition the app is always asked.
  const listUs = await of("none");
  const sql = start(LIST_SQL, [own.db, String(LISTS)], ["taskset", "-c", "0"]);
  const listSqlUs = await sql.told("us", 0);
  await sql.end();
  return { cachedUs, listUs, listSqlUs };
}

/** Bytes that went over this namespace's loopback: what one end sends the other receives. */
function loopbackBytes(): number {
  const line = readFileSync("/proc/net/dev", "utf8")
    .split("\n")
    .find((one) => one.trim().startsWith("lo:"));
  return Number(line?.trim().split(/[:\s]+/)[1] ?? Number.NaN);
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[sorted.length >> 1] ?? Number.NaN;
}
