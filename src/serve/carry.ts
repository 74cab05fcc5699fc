import type { Socket } from "../client/link/socket.ts";
import type { RequestEnv } from "../tiers/tier.ts";
import { asksForSocket, badHost, type Counts, type Held, tooMany } from "./limits.ts";

export type Handler = (request: Request, env: RequestEnv) => Response | Promise<Response>;

/** The certificate a listener shows (the leaf, then its CA) with its key, and the CA of those that clients must show. */
export interface Tls {
  cert: string;
  key: string;
  clientCa?: string | null;
}

/** One server of a runtime; a listener has another for every renewal of its certificate. */
export interface Generation {
  port: number;
  /** Asks clients, with each answer, to come again on a new connection. */
  retire(): void;
  /** Takes no new connections; resolves when those it has are gone. */
  drain(): Promise<void>;
  /** Ends every connection now. */
  cut(): Promise<void>;
}

/** What all generations of a listener share. */
export interface Shared {
  handler: Handler;
  counts: Counts;
  /** The listener's own URL; known once it listens. */
  local: string;
  /** The WebSockets that are open. */
  sockets: Set<Socket>;
}

/** Far above any body of the API, far below what hurts; the routes have tighter limits. */
export const MAX_BODY_BYTES = 16 * 1024 * 1024;
/** Far above a link's heartbeat, which is what notices a peer that is gone. */
export const SOCKET_IDLE_SECONDS = 960;
/** Closing codes of RFC 6455, 7.4.1. */
export const GOING_AWAY = 1001;
const FAILED = 1011;

/** What a runtime does for one request; `open` is called, and `closed` when the WebSocket has ended. */
export interface Carrier {
  extend?: (seconds: number) => void;
  /** False: the request cannot become a WebSocket. */
  upgrade(open: (socket: Socket) => void, closed: (socket: Socket) => void): boolean;
}

/** Answers one request within what its caller may hold. Null: it has become a WebSocket, and there is nothing to answer. */
export function carry(
  shared: Shared,
  request: Request,
  remoteAddress: string | null,
  carrier: Carrier,
): Response | null | Promise<Response | null> {
  // Of a Host header that is none Bun makes a URL without an origin, of which no two parts of a program make the same path.
  if (request.url.startsWith("/")) return badHost();
  const held = shared.counts.enter(remoteAddress, request);
  if (!held) return tooMany();
  let opened: Opened | null = null;
  // Not async: for an answer that is there at once that would cost more than all else here.
  const settle = (response: Response | null) => {
    shared.counts.leave(held);
    if (!opened) return response;
    // Something around the handler refused after all, or failed.
    if (response?.status !== 204) opened.socket?.close(FAILED, "the request was refused");
    return null;
  };
  const fail = (error: unknown): never => {
    settle(null);
    throw error;
  };
  let answer: Response | Promise<Response>;
  try {
    answer = shared.handler(request, {
      extend: carrier.extend,
      remoteAddress,
      local: shared.local,
      upgrade(open) {
        if (opened) throw new Error("a request becomes one WebSocket, and this one has");
        if (!asksForSocket(request)) return null;
        if (!shared.counts.enterSocket(held)) return tooMany();
        opened = openSocket(shared, held, carrier, open);
        // A stand-in that any middleware can copy, as it cannot the 101 of every runtime.
        return opened ? new Response(null, { status: 204 }) : null;
      },
    });
  } catch (error) {
    return fail(error);
  }
  return answer instanceof Promise ? answer.then(settle, fail) : settle(answer);
}

interface Opened {
  socket: Socket | null;
}

function openSocket(shared: Shared, held: Held, carrier: Carrier, open: (socket: Socket) => void): Opened | null {
  const opened: Opened = { socket: null };
  const upgraded = carrier.upgrade(
    (socket) => {
      opened.socket = socket;
      shared.sockets.add(socket);
      open(socket);
    },
    (socket) => {
      shared.sockets.delete(socket);
      shared.counts.leaveSocket(held);
    },
  );
  if (upgraded) return opened;
  shared.counts.leaveSocket(held);
  return null;
}
