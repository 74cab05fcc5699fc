import { StandardSocket } from "../client/link/standard.ts";
import type { Listen } from "../config-values.ts";
import type { DenoApi } from "../deno.ts";
import { type Carrier, carry, type Generation, type Shared, SOCKET_IDLE_SECONDS, type Tls } from "./carry.ts";

export function serveOnDeno(api: DenoApi, at: Listen, shared: Shared, tls: Tls | null): Generation {
  if (tls?.clientCa) throw new Error("client certificates cannot be required on Deno: run this on Bun");
  const abort = new AbortController();
  const server = api.serve(
    {
      ...("unix" in at ? { path: at.unix } : { hostname: at.host, port: at.port }),
      ...(tls ? { cert: tls.cert, key: tls.key } : {}),
      signal: abort.signal,
      onListen: () => {},
    },
    async (request, info) => {
      const address = info.remoteAddr.hostname ?? null;
      let switching: Response | null = null;
      const carrier: Carrier = {
        upgrade(open, closed) {
          const { socket, response } = api.upgradeWebSocket(request, { idleTimeout: SOCKET_IDLE_SECONDS });
          switching = response;
          const wrapped = new StandardSocket(socket, address);
          socket.addEventListener("close", () => closed(wrapped));
          socket.onopen = () => {
            wrapped.opened();
            // Not earlier: what is said before it is open is lost.
            open(wrapped);
          };
          return true;
        },
      };
      const response = await carry(shared, request, address, carrier);
      // Of one that was upgraded there is no other answer than Deno's own.
      return response ?? (switching as Response | null) ?? Response.error();
    },
  );
  return {
    port: server.addr.port ?? 0,
    retire: () => {},
    drain: () => server.shutdown(),
    async cut() {
      abort.abort();
      await server.finished;
    },
  };
}
