import type { ClientTls } from "../../world.ts";
import type { Socket } from "./socket.ts";
import { StandardSocket } from "./standard.ts";

/**
 * For a conductor's connection with its TLS. A server works on all handshakes at once: of a fleet that dials at once none is
 * done much before the last, and one that gives up has it begin that one anew.
 */
export const CONNECT_MS = 45_000;

export interface ConnectOptions {
  /** Default: the system's CAs, and no certificate of one's own. */
  tls?: ClientTls;
  deadlineMs: number;
  headers?: Record<string, string>;
}

/**
 * Dials a WebSocket at a ws: or wss: URL. The owner sets the handlers in the same turn of the event loop.
 * Throws TypeError for another URL, Error when nothing right answers within `deadlineMs`.
 */
export function connectSocket(url: string, { tls, deadlineMs, headers }: ConnectOptions): Promise<Socket> {
  const { protocol, host } = new URL(url);
  if (protocol !== "ws:" && protocol !== "wss:") throw new TypeError(`expected a ws: or wss: URL, got ${protocol}`);
  if (tls?.ca && protocol === "ws:") throw new TypeError("expected a wss: URL for a pinned connection, got ws:");
  if ("Deno" in globalThis) throw new Error("Deno's WebSocket takes no CA: a link needs Bun");
  const ws = new WebSocket(url, {
    // The last always written out: NODE_TLS_REJECT_UNAUTHORIZED=0 would switch it off otherwise.
    ...(protocol === "wss:" ? { tls: { ...tls, rejectUnauthorized: true } } : {}),
    ...(headers ? { headers } : {}),
    perMessageDeflate: false,
  });
  const socket = new StandardSocket(ws, null);
  return new Promise((resolve, reject) => {
    const late = setTimeout(() => fail(`no answer within ${deadlineMs} ms`), deadlineMs);
    const fail = (why: string) => {
      clearTimeout(late);
      ws.terminate();
      reject(new Error(`cannot connect to ${host}: ${why}`));
    };
    ws.onerror = (event) => fail("message" in event && event.message ? String(event.message) : "it was refused");
    ws.onopen = () => {
      clearTimeout(late);
      ws.onerror = null;
      socket.opened();
      resolve(socket);
    };
  });
}
