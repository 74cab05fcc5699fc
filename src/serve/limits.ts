import { addressKey } from "../auth/attempts.ts";
import { problemResponse, SinewError } from "../contract/problem.ts";
import { API_VERSION, VERSION_HEADER } from "../contract/version.ts";

/** What one address may hold open at once. All callers on a unix socket count as one. */
export interface Limits {
  /** Requests that are not answered yet. */
  requests: number;
  /** WebSockets: many machines can stand behind one address, and at some 10 kB each this many cost 40 MB. */
  sockets: number;
}

export const LIMITS: Limits = { requests: 256, sockets: 4096 };

/** What one address holds now. */
export interface Held {
  readonly key: string;
  requests: number;
  sockets: number;
}

/** Counts by address; an address that holds nothing takes no memory. */
export function createCounts(limits: Limits) {
  const all = new Map<string, Held>();
  const settle = (held: Held) => {
    if (held.requests === 0 && held.sockets === 0) all.delete(held.key);
  };
  return {
    /** Counts a request in; null where it is one too many. */
    enter(address: string | null, request: Request): Held | null {
      const key = addressKey(address);
      let held = all.get(key);
      if (!held) {
        held = { key, requests: 0, sockets: 0 };
        all.set(key, held);
      }
      if (held.requests >= limits.requests) return null;
      if (held.sockets >= limits.sockets && asksForSocket(request)) return null;
      held.requests += 1;
      return held;
    },
    leave(held: Held): void {
      held.requests -= 1;
      settle(held);
    },
    /** False: one WebSocket too many. */
    enterSocket(held: Held): boolean {
      if (held.sockets >= limits.sockets) return false;
      held.sockets += 1;
      return true;
    },
    leaveSocket(held: Held): void {
      held.sockets -= 1;
      settle(held);
    },
    /** Addresses that hold something. */
    get size(): number {
      return all.size;
    },
  };
}

export type Counts = ReturnType<typeof createCounts>;

export const asksForSocket = (request: Request) => request.headers.get("upgrade")?.toLowerCase() === "websocket";

const refusal = (error: SinewError) => problemResponse(error, { [VERSION_HEADER]: API_VERSION });

export function tooMany(): Response {
  const detail = "this address has too many requests or WebSockets open: wait until some of them end";
  return refusal(new SinewError("rate_limited", detail, { retryAfter: 1 }));
}

export const badHost = (): Response =>
  refusal(new SinewError("invalid", "Host: expected HOST[:PORT], got something else"));
