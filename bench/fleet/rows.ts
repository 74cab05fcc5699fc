import { type Row, row, type Spread, type Target } from "../measure.ts";
import { DEVICES } from "./device.ts";
import type { Measured, Times } from "./scenario.ts";

const one = (value: number): Spread => ({ median: value, min: value, max: value });
const atMost = (value: number, of: Target["of"] = "ours"): Target => ({ of, limit: "at most", value });

/** The slope of log over log: 1 grows with the fleet, 0 does not. */
function exponent(measured: readonly Measured[], of: (one: Measured) => number): string {
  const [small, large] = [measured[0], measured.at(-1)];
  if (!small || !large || small.agents === large.agents) return "";
  const slope = Math.log(of(large) / of(small)) / Math.log(large.agents / small.agents);
  return `${small.agents} agents: ${of(small).toPrecision(3)}; exponent ${slope.toFixed(2)}`;
}

const shown = ({ count, failed, p50, p99, max }: Times) =>
  `${count} reads, ${failed} failed, p50 ${p50.toFixed(1)} ms, p99 ${p99.toFixed(1)} ms, longest ${max.toFixed(0)} ms`;

const SECONDS = { sqlite: 5, postgres: 8 };

/** The rows of one database, from fleets of growing size; the last one's figures are shown. */
export function rowsOf(db: "sqlite" | "postgres", measured: readonly Measured[]): Row[] {
  const large = measured.at(-1);
  if (!large) return [];
  const { agents } = large;
  const name = { sqlite: "SQLite", postgres: "PostgreSQL" }[db];
  const grows = (of: (one: Measured) => number, more = "") => {
    const text = [more, exponent(measured, of)].filter(Boolean).join("; ");
    return text || null;
  };
  const figure = (what: string, unit: string, of: (one: Measured) => number, target: number | null, more = "") =>
    row({
      what: `${name}, ${agents} agents: ${what}`,
      unit,
      ours: one(of(large)),
      target: target === null ? null : atMost(target),
      note: grows(of, more),
    });
  const written = Object.entries(large.written).map(([table, count]) => `${table} ${count.toFixed(1)}`);
  const devices = agents * DEVICES;
  return [
    figure("CPU of an unchanged heartbeat", "us", (m) => m.beatUs, null, "the lease's write with it"),
    figure("bytes of an unchanged heartbeat", "bytes", (m) => m.beatBytes, null, "with answer, TLS, TCP/IP, loopback"),
    figure("CPU at rest", "%", (m) => m.restCpu * 100, null),
    row({
      what: `${name}, ${agents} agents: rows of hardware written a second at rest`,
      unit: "rows",
      ours: one(large.written.hardware ?? 0),
      target: atMost(0),
      note: `all rows a second: ${written.join(", ") || "none"}`,
    }),
    figure("start to all links up", "s", (m) => m.linksMs / 1000, null, `started in ${large.bootMs.toFixed(0)} ms`),
    figure(
      `start to all ${devices} devices`,
      "s",
      (m) => m.inventoryMs / 1000,
      agents >= 10_000 ? SECONDS[db] : null,
      `${(large.inventoryCpuMs / 1000).toFixed(1)} s of CPU`,
    ),
    figure("p99 of reads meanwhile", "ms", (m) => m.coldReads.p99, 100, shown(large.coldReads)),
    figure("longest block of the event loop meanwhile", "ms", (m) => m.coldBlock, 50),
    figure("killed and started: all links back", "s", (m) => m.backMs / 1000, 5, `started in ${large.backBootMs} ms`),
    row({
      what: `${name}, ${agents} agents: CPU of a link that comes back`,
      unit: "us",
      against: "a server that asks nobody who it is",
      ours: one(large.backUs),
      theirs: one(large.floorUs),
      ratio: one(large.backUs / large.floorUs),
      note: grows((m) => m.backUs, "TLS, the proof of a key and a hello, against TLS and a word"),
    }),
    figure("p99 of reads meanwhile, restarted", "ms", (m) => m.backReads.p99, 100, shown(large.backReads)),
    figure("longest block of the event loop meanwhile, restarted", "ms", (m) => m.backBlock, 50),
    row({
      what: `${name}, ${agents} agents: said to be LOST all the time`,
      unit: "nodes",
      ours: one(large.lost + large.backLost),
      target: atMost(0),
    }),
    figure(
      `change to feed, p99, at ${large.changesPerSecond} changes/s`,
      "ms",
      (m) => m.feed.p99,
      100,
      `p50 ${large.feed.p50.toFixed(1)} ms, longest ${large.feed.max.toFixed(0)} ms, ${large.feed.count} came, ${large.feed.failed} did not within 20 s or were overtaken; ${(large.changesCpu * 100).toFixed(0)} % CPU`,
    ),
    figure("longest block of the event loop meanwhile, changing", "ms", (m) => m.changesBlock, 50),
    figure(
      "GET /hardware?limit=1000 under those changes, p99",
      "ms",
      (m) => m.changingList.p99,
      null,
      shown(large.changingList),
    ),
    row({
      what: `${name}, ${agents} agents: CPU of GET /hardware?limit=1000, not cached`,
      unit: "us",
      against: "its SQL",
      ours: one(large.listUs),
      theirs: one(large.listSqlUs),
      ratio: one(large.listUs / large.listSqlUs),
      target: atMost(1.5, "ratio"),
    }),
    figure("CPU of GET /hardware?limit=1000, cached", "us", (m) => m.cachedUs, null),
    figure(
      "VmRSS with all links and devices",
      "MB",
      (m) => m.rssMb,
      200,
      `the server that asks nobody: ${large.floorKb.toFixed(1)} kB for each link`,
    ),
  ];
}
