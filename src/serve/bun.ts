import { closingReason, MAX_MESSAGE_BYTES, receive } from "../client/link/message.ts";
import type { Socket } from "../client/link/socket.ts";
import type { Listen } from "../config-values.ts";
import {
  type Carrier,
  carry,
  type Generation,
  MAX_BODY_BYTES,
  type Shared,
  SOCKET_IDLE_SECONDS,
  type Tls,
} from "./carry.ts";

/** More than any owner should leave queued; who reads so slowly is cut off, and dials again. */
const MAX_QUEUED_BYTES = 16 * 1024 * 1024;

export function serveOnBun(at: Listen, shared: Shared, tls: Tls | null): Generation {
  const port = "unix" in at ? 0 : at.port;
  // With reusePort a second process would silently take half of the connections: the port has to be free before.
  // (For port 0 the kernel chooses one that is.)
  if (tls && !("unix" in at) && port !== 0) void Bun.serve({ hostname: at.host, port, fetch: gone }).stop(true);
  return bind(at, shared, tls);
}

/** Another generation beside the one that has the port. */
export const joinOnBun = (at: { host: string; port: number }, shared: Shared, tls: Tls) => bind(at, shared, tls);

async function leaving(answer: ReturnType<typeof carry>): Promise<Response | null> {
  const response = await answer;
  response?.headers.set("connection", "close");
  return response;
}

const gone = () => new Response(null, { status: 503 });

function bind(at: Listen, shared: Shared, tls: Tls | null): Generation {
  let retired = false;
  const server = Bun.serve<BunSocket>({
    ...("unix" in at ? { unix: at.unix } : { hostname: at.host, port: at.port, ...(tls ? { reusePort: true } : {}) }),
    ...(tls ? { tls: options(tls) } : {}),
    maxRequestBodySize: MAX_BODY_BYTES,
    fetch(request, server) {
      const address = server.requestIP(request)?.address ?? null;
      const carrier: Carrier = {
        extend: (seconds) => server.timeout(request, seconds),
        upgrade: (open, closed) => server.upgrade(request, { data: new BunSocket(address, open, closed) }),
      };
      const answer = carry(shared, request, address, carrier);
      // Bun wants nothing for a request that has become a WebSocket, and its types do not know that.
      return (retired ? leaving(answer) : answer) as Response;
    },
    websocket: {
      open: (ws) => ws.data.opened(ws),
      message: (ws, data) => receive(ws.data, data),
      drain: (ws) => ws.data.onDrain(),
      close: (ws, code, reason) => ws.data.ended(reason || `closed with code ${code}`),
      maxPayloadLength: MAX_MESSAGE_BYTES,
      idleTimeout: SOCKET_IDLE_SECONDS,
      sendPings: false,
      backpressureLimit: MAX_QUEUED_BYTES,
      closeOnBackpressureLimit: true,
      perMessageDeflate: false,
    },
  });
  return {
    port: server.port ?? 0,
    retire: () => {
      retired = true;
    },
    drain: () => server.stop(),
    cut: () => server.stop(true),
  };
}

const options = ({ cert, key, clientCa }: Tls) => ({
  cert,
  key,
  // All three: by the environment Bun would let anyone in otherwise.
  ...(clientCa ? { ca: clientCa, requestCert: true, rejectUnauthorized: true } : {}),
});

class BunSocket implements Socket {
  onMessage: Socket["onMessage"] = ignore;
  onDrain: Socket["onDrain"] = ignore;
  onClose: Socket["onClose"] = ignore;
  readonly remoteAddress: string | null;
  readonly #open: (socket: Socket) => void;
  readonly #closed: (socket: Socket) => void;
  #ws: Bun.ServerWebSocket<BunSocket> | null = null;

  constructor(remoteAddress: string | null, open: (socket: Socket) => void, closed: (socket: Socket) => void) {
    this.remoteAddress = remoteAddress;
    this.#open = open;
    this.#closed = closed;
  }

  opened(ws: Bun.ServerWebSocket<BunSocket>): void {
    this.#ws = ws;
    this.#open(this);
  }

  ended(reason: string): void {
    this.#ws = null;
    this.#closed(this);
    this.onClose(reason);
  }

  send(bytes: Uint8Array): boolean {
    // -1: queued behind others, which is as good as sent; 0: dropped.
    return this.#ws !== null && this.#ws.readyState === WebSocket.OPEN && this.#ws.sendBinary(bytes) !== 0;
  }

  get buffered(): number {
    return this.#ws?.getBufferedAmount() ?? 0;
  }

  close(code: number, reason: string): void {
    this.#ws?.close(code, closingReason(reason));
  }
}

const ignore = (): void => {};
