/** What a handler may ask of the listener that carries the request. Absent in process and on foreign listeners. */
export interface RequestEnv {
  /** Keeps a silent response open this many seconds (Bun cuts one after about 10). */
  extend?: (seconds: number) => void;
  /** The caller's address without port; null on a unix socket. */
  remoteAddress?: string | null;
}

/** A driver, an agent or a conductor: an object with a fetch-standard `fetch`, mountable anywhere. */
export interface Tier {
  readonly role: "driver" | "agent" | "conductor";
  readonly name: string;
  fetch(request: Request, env?: RequestEnv): Promise<Response> | Response;
  /** Begins its work (first scan, leases, hellos upward); resolves once the first scan is served. */
  start(): Promise<void>;
  /** Says LEAVING upward, stops its timers, finishes writes. Safe to call twice. */
  stop(): Promise<void>;
}

export type LogLevel = "debug" | "info" | "warn" | "error";
export type Log = (level: LogLevel, message: string, fields?: Record<string, unknown>) => void;

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
  fetch(url: string, init?: RequestInit & { unix?: string }): Promise<Response>;
  log: Log;
}

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
  fetch: (url, init) => fetch(url, init),
  log,
});

/** What a tier keeps across a restart or a kill: one JSON document, replaced as a whole. */
export interface Store {
  load(): Promise<unknown>;
  save(document: unknown): Promise<void>;
}
