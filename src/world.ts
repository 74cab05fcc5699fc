import { type HostRequestInit, hostFetch } from "./host-fetch.ts";

export type { ClientTls } from "./host-fetch.ts";

export type LogLevel = "debug" | "info" | "warn" | "error";
export type Log = (level: LogLevel, message: string, fields?: Record<string, unknown>) => void;

/** Work that a tier has done: `pull` asks the tier below for its report, `discovery` has it look. `error`: why it failed. */
export interface Measured {
  kind: "pull" | "discovery";
  /** The driver, or `agent` for a node's. */
  source: string;
  seconds: number;
  error: string | null;
}

/** The world a tier runs in. Everything that differs between two runs comes through here, so a fleet can be simulated. */
export interface World {
  now(): Date;
  /** Milliseconds on a clock that never jumps. */
  monotonic(): number;
  /** Calls `work` once after `ms`; the result cancels it. */
  timer(ms: number, work: () => void): () => void;
  /** 0 <= x < 1 */
  random(): number;
  uuid(): string;
  fetch(url: string, init?: HostRequestInit): Promise<Response>;
  /** All addresses of a name; rejects where it has none. */
  resolve(host: string): Promise<string[]>;
  /** What the machine is called, and the addresses that it has itself. */
  host(): Promise<{ name: string; addresses: string[] }>;
  log: Log;
  /** Hears of work that was done. Default: nobody counts it. */
  measure?(what: Measured): void;
}

/** Resolves after `ms`, by this world's timer. */
export const sleep = (world: Pick<World, "timer">, ms: number): Promise<void> =>
  new Promise((resume) => world.timer(ms, resume));

/** The host this runs on. */
export const realWorld = (log: Log): World => ({
  now: () => new Date(),
  monotonic: () => performance.now(),
  timer: (ms, work) => {
    const id = setTimeout(work, ms);
    return () => clearTimeout(id);
  },
  random: Math.random,
  uuid: () => crypto.randomUUID(),
  fetch: hostFetch(),
  resolve,
  host,
  log,
});

/** By the system's own resolver, so that what it says is what the system would connect to. */
async function resolve(host: string): Promise<string[]> {
  const { lookup } = await import("node:dns/promises");
  return (await lookup(host, { all: true })).map(({ address }) => address);
}

async function host(): Promise<{ name: string; addresses: string[] }> {
  const { hostname, networkInterfaces } = await import("node:os");
  const addresses = Object.values(networkInterfaces()).flatMap((all = []) => all.map(({ address }) => address));
  return { name: hostname(), addresses };
}

/** What a tier keeps across a restart or a kill: one JSON document, replaced as a whole. */
export interface Store {
  load(): Promise<unknown>;
  save(document: unknown): Promise<void>;
  /** Keeps what was loaded out of the next save's way, for a person to look at; `why` goes to the log. */
  setAside?(why: string): Promise<void>;
}
