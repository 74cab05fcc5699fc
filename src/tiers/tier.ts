import type { Caller } from "../auth/caller.ts";
import type { Again } from "../client/link/call.ts";
import type { Socket } from "../client/link/socket.ts";

export type { Again };

/**
 * Given by a handler whose answer will often be the same: `again` does what the request did and is true where the same
 * answer holds; where it is false the request is handled like any other. `who` has one such request, the last.
 */
export type Repeat = (who: string, again: Again) => unknown;

/** What a handler may ask of the listener that carries the request. Absent in process and on foreign listeners. */
export interface RequestEnv {
  /** Keeps a silent response open this many seconds, 0 without end (Bun cuts one after about 10). */
  extend?: (seconds: number) => void;
  /** The caller's address without port; null on a unix socket. */
  remoteAddress?: string | null;
  /**
   * Who calls, where the transport has made sure of that: a tier of this process, the far end of a link. A listener for
   * others never sets it.
   */
  caller?: Caller;
  /** The listener's own URL, as `Listener.url` says it. */
  local?: string;
  /**
   * Makes this request a WebSocket: `open` gets it, and the Response is what the handler gives back, through any
   * middleware. Null: the request asks for none. Throws where it cannot be made one any more.
   */
  upgrade?: (open: (socket: Socket) => void) => Response | null;
  /** Takes what `again` does if such a request comes once more from the same caller. */
  repeat?: Repeat;
}

/** A driver, an agent or a conductor: an object with a fetch-standard `fetch`, mountable anywhere. */
export interface Tier {
  readonly role: "driver" | "agent" | "conductor";
  readonly name: string;
  fetch(request: Request, env?: RequestEnv): Promise<Response> | Response;
  /** Begins its work (first scan, leases, hellos upward); resolves once the first scan is served. */
  start(): Promise<void>;
  /** Ends the answers that have no end of their own, before the listener waits for those in flight. */
  release?(): void;
  /** Says LEAVING upward, stops its timers, finishes writes. Safe to call twice. */
  stop(): Promise<void>;
}
