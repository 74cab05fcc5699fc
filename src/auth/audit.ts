import type { AuditEntry } from "../contract/access/audit.ts";
import { SinewError } from "../contract/problem.ts";
import type { World } from "../world.ts";
import type { Caller } from "./caller.ts";

/** Where a tier keeps its audit trail. */
export interface AuditStore {
  append(entries: AuditEntry[]): Promise<void>;
  /** Newest first. */
  page(options: { limit: number; page_token?: string | undefined }): Promise<{
    audit: AuditEntry[];
    next_page_token?: string;
  }>;
}

/** One answered request. */
export interface Answered {
  caller: Caller | null;
  address: string | null;
  method: string;
  path: string;
  status: number;
  /** The problem's code; null where it was not refused. */
  code: string | null;
  request_id: string;
}

export interface Audit {
  /** Takes it in; nothing waits for it to be stored. */
  record(answered: Answered): void;
  page: AuditStore["page"];
  /** Stores what is still in memory. */
  flush(): Promise<void>;
}

const MINUTE_MS = 60_000;
const FLUSH_MS = 1_000;
/** Kinds of refusals counted at the same time; more callers than that in a minute are counted as one. */
const KINDS = 1_000;
/** Entries that wait for a store that fails. */
const WAITING = 10_000;

/** Of a path that somebody made up. */
const LONGEST_PATH = 256;

/** Refused before anything was looked at, whatever was asked. */
const REFUSALS = new Set(["unauthorized", "forbidden", "rate_limited", "node_conflict"]);

/**
 * Writes are kept one by one. What was refused is counted by minute, caller and reason, so that a flood is a line, also
 * of one who may do no more than ask for what does not exist.
 */
export function createAudit(store: AuditStore, world: Pick<World, "now" | "timer" | "log">): Audit {
  let waiting: AuditEntry[] = [];
  let counts = new Map<string, AuditEntry>();
  /** The last outcome of each caller's hello: a renewal is no write. */
  const greeted = new Map<string, number>();
  let writing = false;
  let counting = false;
  let lost = 0;

  const entry = ({ caller, ...rest }: Answered, kind: AuditEntry["kind"], now: Date): AuditEntry => ({
    ...rest,
    path: rest.path.slice(0, LONGEST_PATH),
    time: now.toISOString(),
    kind,
    caller: caller?.name ?? "a stranger",
    role: caller?.role ?? "none",
    count: 1,
  });

  async function flush() {
    waiting.push(...counts.values());
    counts = new Map();
    await flushWrites();
  }

  /** Without those that no store takes: one of them must not keep out all that come after it. */
  async function storeOneByOne(entries: AuditEntry[]): Promise<void> {
    for (const [at, entry] of entries.entries()) {
      try {
        await store.append([entry]);
      } catch (error) {
        if (!(error instanceof SinewError && error.code === "invalid")) {
          waiting = [...entries.slice(at), ...waiting];
          return;
        }
        world.log("error", "an entry of the audit trail cannot be stored", { error, request_id: entry.request_id });
      }
    }
  }

  async function flushWrites() {
    const entries = waiting;
    waiting = [];
    if (entries.length === 0) return;
    try {
      await store.append(entries);
    } catch (error) {
      if (error instanceof SinewError && error.code === "invalid") return storeOneByOne(entries);
      waiting = [...entries, ...waiting];
      lost += Math.max(0, waiting.length - WAITING);
      waiting = waiting.slice(-WAITING);
      world.log("error", "the audit trail could not be stored, and waits", { entries: waiting.length, lost, error });
    }
  }

  function afterWrite() {
    if (writing) return;
    writing = true;
    world.timer(FLUSH_MS, () => {
      writing = false;
      void flushWrites();
    });
  }

  /** At the end of the minute. Writes do not wait for that, and do not cut the minute in pieces. */
  function afterRefusal(now: Date) {
    if (counting) return;
    counting = true;
    world.timer(MINUTE_MS - (now.getTime() % MINUTE_MS), () => {
      counting = false;
      void flush();
    });
  }

  function isRenewal({ method, path, status, caller, address }: Answered): boolean {
    if (method !== "POST" || !path.endsWith("/hello")) return false;
    const who = `${caller?.name} ${address} ${path}`;
    const same = greeted.get(who) === status;
    if (greeted.size >= KINDS * 100) greeted.clear();
    greeted.set(who, status);
    return same;
  }

  return {
    record(answered) {
      const { method, code, status, caller, address } = answered;
      const now = world.now();
      const reads = method === "GET" || method === "HEAD";
      // What no route took has a status and no code.
      if ((code !== null && REFUSALS.has(code)) || (status >= 400 && !reads && caller !== null)) {
        const minute = Math.floor(now.getTime() / MINUTE_MS);
        const exact = `${minute} ${caller?.name} ${address} ${code ?? status}`;
        const key = counts.has(exact) || counts.size < KINDS ? exact : `${minute} others ${code ?? status}`;
        const known = counts.get(key);
        if (!known) counts.set(key, entry(answered, "refusal", now));
        else Object.assign(known, { count: known.count + 1, request_id: null });
        afterRefusal(now);
        return;
      }
      if (reads || caller === null || isRenewal(answered)) return;
      waiting.push(entry(answered, "write", now));
      afterWrite();
    },
    // What is asked for now is told now, the minute that runs included.
    async page(options) {
      await flush();
      return store.page(options);
    },
    flush,
  };
}

const REMEMBERED = 1_000;

/** An audit trail of the newest 1,000 entries, as long as the process lives. */
export function memoryAudit(): AuditStore {
  let kept: AuditEntry[] = [];
  let first = 0;
  return {
    async append(entries) {
      kept.push(...entries);
      const over = Math.max(0, kept.length - REMEMBERED);
      kept = kept.slice(over);
      first += over;
    },
    async page({ limit, page_token }) {
      const end =
        page_token === undefined ? kept.length : Math.max(0, Math.min(kept.length, Number(page_token) - first));
      const start = Math.max(0, end - limit);
      const audit = kept.slice(start, end).reverse();
      return { audit, ...(start > 0 ? { next_page_token: String(first + start) } : {}) };
    },
  };
}
