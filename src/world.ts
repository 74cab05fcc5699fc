import { type DenoApi, deno } from "./deno.ts";

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
  fetch: hostFetch(),
  log,
});

/** The runtime's fetch, which on Bun knows unix sockets by itself. */
function hostFetch(): World["fetch"] {
  const api = deno();
  return api ? denoFetch(api) : (url, init) => fetch(url, init);
}

/** Sockets in use at the same time: as many as an agent has remote drivers. */
const CLIENTS = 64;

function denoFetch(api: DenoApi): World["fetch"] {
  const clients = new Map<string, { close(): void }>();
  const clientOf = (path: string) => {
    let client = clients.get(path);
    if (!client) {
      if (clients.size >= CLIENTS) {
        for (const old of clients.values()) old.close();
        clients.clear();
      }
      client = api.createHttpClient({ proxy: { transport: "unix", path } });
      clients.set(path, client);
    }
    return client;
  };
  return (url, init) => {
    const { unix, ...rest } = init ?? {};
    // `client` is Deno's own, and no part of the standard's RequestInit.
    return fetch(url, unix === undefined ? rest : ({ ...rest, client: clientOf(unix) } as RequestInit));
  };
}

/** What a tier keeps across a restart or a kill: one JSON document, replaced as a whole. */
export interface Store {
  load(): Promise<unknown>;
  save(document: unknown): Promise<void>;
  /** Keeps what was loaded out of the next save's way, for a person to look at; `why` goes to the log. */
  setAside?(why: string): Promise<void>;
}
