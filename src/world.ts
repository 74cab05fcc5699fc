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
