import type { Socket } from "./client/link/socket.ts";
import type { Listen } from "./config-values.ts";
import { deno } from "./deno.ts";
import { joinOnBun, serveOnBun } from "./serve/bun.ts";
import { type Generation, GOING_AWAY, type Handler, type Shared, type Tls } from "./serve/carry.ts";
import { serveOnDeno } from "./serve/deno.ts";
import { createCounts, LIMITS, type Limits } from "./serve/limits.ts";

export type { Handler, Tls } from "./serve/carry.ts";

export interface Listener {
  /** Where it can be reached from this machine. */
  url: string;
  /** What a tier announces of it: `url`, or `:PORT` for a wildcard, whose address the receiver knows better. */
  endpoint: string;
  /**
   * Shows another certificate from now on. New connections get it; those that are open go on with the old one, WebSockets
   * too, and no request is lost. Throws where it cannot be used, and all stays as it was.
   */
  renew(tls: Tls): Promise<void>;
  /**
   * Takes no new connections and resolves when the requests in flight are answered, or are cut after `graceMs`.
   * WebSockets are closed at once: their far ends dial again.
   */
  stop(options: { graceMs: number }): Promise<void>;
}

export interface ListenOptions {
  /** Without it HTTP is spoken. */
  tls?: Tls | null;
  /** What one address may hold open at once. */
  limits?: Partial<Limits>;
}

/**
 * How long two generations take connections together. The old one has time to accept what the kernel has queued for it,
 * and to send its clients elsewhere: a server that stops resets the former, and cuts a kept connection while it is used.
 */
const RETIRE_MS = 1000;

/** Listens on a TCP address (port 0: a free one) or a unix socket, on Bun or Deno. */
export async function listen(
  at: Listen,
  handler: Handler,
  { tls = null, limits = {} }: ListenOptions = {},
): Promise<Listener> {
  if (tls && "unix" in at) throw new Error("a unix socket has no TLS: its directory says who may connect");
  const api = deno();
  const counts = createCounts({ ...LIMITS, ...limits });
  const shared: Shared = { handler, counts, local: "", sockets: new Set<Socket>() };
  const bind = () => (api ? serveOnDeno(api, at, shared, tls) : serveOnBun(at, shared, tls));
  let current: Generation;
  if ("unix" in at) {
    const { clearSocketPath, privately } = await import("./cli/host/socket.ts");
    await clearSocketPath(at.unix);
    // Not chmod afterwards: between the two anyone could connect.
    current = privately(bind);
  } else current = bind();

  const { url, endpoint } = addresses(at, current.port, tls ? "https" : "http");
  shared.local = url;
  const all = new Set([current]);
  let stopped = false;
  let renewing: Promise<void> = Promise.resolve();
  return {
    url,
    endpoint,
    async renew(tls) {
      if (stopped) return;
      if (api) throw new Error("a certificate cannot be renewed on Deno without a restart: run this on Bun");
      if ("unix" in at || !url.startsWith("https:")) throw new Error("this listener has no certificate to renew");
      const { host } = at;
      // One after the other: the kernel knows but a first and a second.
      const renewed = renewing.then(async () => {
        await steer(current.port);
        if (stopped) return;
        const old = current;
        current = joinOnBun({ host, port: old.port }, shared, tls);
        all.add(current);
        old.retire();
        await new Promise((done) => setTimeout(done, RETIRE_MS));
        void old.drain().then(() => all.delete(old));
      });
      renewing = renewed.catch(() => {});
      return renewed;
    },
    async stop({ graceMs }) {
      stopped = true;
      for (const socket of shared.sockets) socket.close(GOING_AWAY, "the server is stopping");
      await Promise.all([...all].map((generation) => end(generation, graceMs)));
    },
  };
}

/** Has the kernel send new connections to the next generation; where it cannot, some go to the old one until it stops. */
async function steer(port: number): Promise<void> {
  try {
    const { preferSecond } = await import("./ffi/reuseport.ts");
    preferSecond(port);
  } catch {
    // No /proc, or no libc that can be opened.
  }
}

async function end(generation: Generation, graceMs: number): Promise<void> {
  if (await within(graceMs, generation.drain())) return;
  await within(500, generation.cut());
}

function addresses(at: Listen, port: number, scheme: string): Pick<Listener, "url" | "endpoint"> {
  if ("unix" in at) return { url: `unix:${at.unix}`, endpoint: `unix:${at.unix}` };
  const wildcard = at.host === "0.0.0.0" || at.host === "::";
  // Not localhost: that is two addresses, of which the other one may be somebody else's.
  const host =
    at.host === "0.0.0.0" ? "127.0.0.1" : at.host === "::" ? "[::1]" : at.host.includes(":") ? `[${at.host}]` : at.host;
  const url = `${scheme}://${host}:${port}`;
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
