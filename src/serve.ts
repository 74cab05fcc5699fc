import type { Listen } from "./config-values.ts";
import type { RequestEnv } from "./tiers/tier.ts";

export type Handler = (request: Request, env: RequestEnv) => Response | Promise<Response>;

export interface Listener {
  /** Where it can be reached from this machine. */
  url: string;
  /** What a tier announces of it: `url`, or `:PORT` for a wildcard, whose address the receiver knows better. */
  endpoint: string;
  /** Takes no new connections and resolves when the requests in flight are answered, or are cut after `graceMs`. */
  stop(options: { graceMs: number }): Promise<void>;
}

/** Far above any body of the API, far below what hurts; the routes have tighter limits. */
const MAX_BODY_BYTES = 16 * 1024 * 1024;

/** Listens on a TCP address (port 0: a free one) or a unix socket, on Bun or Deno. */
export async function listen(at: Listen, handler: Handler): Promise<Listener> {
  if (!("unix" in at)) return (typeof Bun === "undefined" ? onDeno : onBun)(at, handler);
  const { clearSocketPath, privately } = await import("./cli/host/socket.ts");
  await clearSocketPath(at.unix);
  // Not chmod afterwards: between the two anyone could connect.
  return privately(() => (typeof Bun === "undefined" ? onDeno : onBun)(at, handler));
}

function onBun(at: Listen, handler: Handler): Listener {
  const server = Bun.serve({
    ...("unix" in at ? { unix: at.unix } : { hostname: at.host, port: at.port }),
    maxRequestBodySize: MAX_BODY_BYTES,
    fetch(request: Request, server: Bun.Server<undefined>) {
      return handler(request, {
        extend: (seconds) => server.timeout(request, seconds),
        remoteAddress: server.requestIP(request)?.address ?? null,
      });
    },
  });
  return {
    ...addresses(at, server.port ?? 0),
    async stop({ graceMs }) {
      await within(graceMs, server.stop());
      await within(500, server.stop(true));
    },
  };
}

/** The part of Deno's own API that is used here. */
interface DenoServe {
  serve(
    options: { hostname?: string; port?: number; path?: string; onListen: () => void },
    handler: (request: Request, info: { remoteAddr: { hostname?: string } }) => Response | Promise<Response>,
  ): { addr: { port?: number }; shutdown(): Promise<void> };
}

function onDeno(at: Listen, handler: Handler): Listener {
  // Only called where there is no Bun, and the one other runtime supported is Deno.
  const { Deno } = globalThis as unknown as { Deno: DenoServe };
  const server = Deno.serve(
    { ...("unix" in at ? { path: at.unix } : { hostname: at.host, port: at.port }), onListen: () => {} },
    (request, info) => handler(request, { remoteAddress: info.remoteAddr.hostname ?? null }),
  );
  return {
    ...addresses(at, server.addr.port ?? 0),
    stop: ({ graceMs }) => within(graceMs, server.shutdown()),
  };
}

function addresses(at: Listen, port: number): Pick<Listener, "url" | "endpoint"> {
  if ("unix" in at) return { url: `unix:${at.unix}`, endpoint: `unix:${at.unix}` };
  const wildcard = at.host === "0.0.0.0" || at.host === "::";
  const host = wildcard ? "localhost" : at.host.includes(":") ? `[${at.host}]` : at.host;
  const url = `http://${host}:${port}`;
  return { url, endpoint: wildcard ? `:${port}` : url };
}

async function within(ms: number, work: Promise<void>): Promise<void> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  await Promise.race([work, new Promise<void>((done) => (timer = setTimeout(done, ms)))]);
  clearTimeout(timer);
}
