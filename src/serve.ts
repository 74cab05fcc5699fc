import type { Listen } from "./config-values.ts";
import { type DenoApi, deno } from "./deno.ts";
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
  const api = deno();
  const bind = () => (api ? onDeno(api, at, handler) : onBun(at, handler));
  if (!("unix" in at)) return bind();
  const { clearSocketPath, privately } = await import("./cli/host/socket.ts");
  await clearSocketPath(at.unix);
  // Not chmod afterwards: between the two anyone could connect.
  return privately(bind);
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

function onDeno(api: DenoApi, at: Listen, handler: Handler): Listener {
  const abort = new AbortController();
  const server = api.serve(
    {
      ...("unix" in at ? { path: at.unix } : { hostname: at.host, port: at.port }),
      signal: abort.signal,
      onListen: () => {},
    },
    (request, info) => handler(request, { remoteAddress: info.remoteAddr.hostname ?? null }),
  );
  return {
    ...addresses(at, server.addr.port ?? 0),
    async stop({ graceMs }) {
      // Aborting a server that has ended is an error in Deno.
      if (await within(graceMs, server.shutdown())) return;
      abort.abort();
      await within(500, server.finished);
    },
  };
}

function addresses(at: Listen, port: number): Pick<Listener, "url" | "endpoint"> {
  if ("unix" in at) return { url: `unix:${at.unix}`, endpoint: `unix:${at.unix}` };
  const wildcard = at.host === "0.0.0.0" || at.host === "::";
  const host = wildcard ? "localhost" : at.host.includes(":") ? `[${at.host}]` : at.host;
  const url = `http://${host}:${port}`;
  return { url, endpoint: wildcard ? `:${port}` : url };
}

/** Whether `work` ended in time. */
async function within(ms: number, work: Promise<void>): Promise<boolean> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<boolean>((done) => {
    timer = setTimeout(() => done(false), ms);
  });
  const ended = await Promise.race([work.then(() => true), late]);
  clearTimeout(timer);
  return ended;
}
