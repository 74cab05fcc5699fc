import { type DenoApi, deno } from "./deno.ts";

/** Of a connection with TLS, all PEM. */
export interface ClientTls {
  /** The one CA that may have signed the far end's certificate, and the name in it. */
  ca?: string;
  serverName?: string;
  /** What is shown to a far end that asks for a certificate. */
  cert?: string;
  key?: string;
}

/** What a fetch between tiers may be told besides the standard's own. */
export interface HostRequestInit extends RequestInit {
  /** The socket to send it to; the URL's host is a matter of form then. */
  unix?: string;
  /**
   * Where to connect in place of looking up the URL's host, which stays the name on the certificate, and the Host header
   * (not on Deno, whose fetch makes that of the address). The next one is tried where nobody listens at the one before.
   */
  addresses?: readonly string[];
  /** Default: the system's CAs, and no certificate of one's own (Bun only). */
  tls?: ClientTls;
}
type HostFetch = (url: string, init?: HostRequestInit) => Promise<Response>;

/** The runtime's fetch, which on Bun knows unix sockets by itself. */
export function hostFetch(): HostFetch {
  const api = deno();
  const send = api ? denoFetch(api) : bunFetch;
  return async (url, init = {}) => {
    const { addresses, ...rest } = init;
    if (addresses === undefined) return send(url, rest, null);
    const { host, hostname } = new URL(url);
    const headers = new Headers(rest.headers);
    headers.set("host", host);
    for (const [tried, address] of addresses.entries()) {
      const target = new URL(url);
      target.hostname = address.includes(":") ? `[${address}]` : address;
      try {
        return await send(target.href, { ...rest, headers }, hostname);
      } catch (error) {
        if (tried + 1 === addresses.length || !notConnected(error)) throw error;
      }
    }
    throw new TypeError(`expected an address to connect to for ${host}, found none`);
  };
}

/** Nothing was sent, so it may be sent elsewhere. Bun has a code for it, Deno words of its HTTP client. */
function notConnected(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  if (/^(ECONNREFUSED|EHOSTUNREACH|ENETUNREACH|EADDRNOTAVAIL)$/.test(String(Reflect.get(error, "code")))) return true;
  return error.cause instanceof Error && error.cause.message.includes("client error (Connect)");
}

/** `name`: what the certificate has to be for, where the URL has an address in its place. */
type Send = (url: string, init: HostRequestInit, name: string | null) => Promise<Response>;

const bunFetch: Send = (url, init, name) =>
  fetch(url, {
    ...init,
    // Written out, as NODE_TLS_REJECT_UNAUTHORIZED=0 would switch it off.
    ...(url.startsWith("https:")
      ? { tls: { ...(name === null ? {} : { serverName: name }), ...init.tls, rejectUnauthorized: true } }
      : {}),
  });

/** Sockets in use at the same time: as many as an agent has remote drivers. */
const CLIENTS = 64;

function denoFetch(api: DenoApi): Send {
  const clients = new Map<string, { close(): void }>();
  const clientOf = (path: string) => {
    let client = clients.get(path);
    if (!client) {
      if (clients.size >= CLIENTS) {
        for (const old of clients.values()) old.close();
        clients.clear();
      }
      client = api.createHttpClient({ proxy: { transport: "unix", path } });
      clients.set(path, client);
    }
    return client;
  };
  return (url, init, name) => {
    if (name !== null && url.startsWith("https:"))
      throw new TypeError(`expected http, or https by address: Deno cannot ask a checked address for ${name}`);
    const { unix, ...rest } = init;
    // `client` is Deno's own, and no part of the standard's RequestInit.
    return fetch(url, unix === undefined ? rest : ({ ...rest, client: clientOf(unix) } as RequestInit));
  };
}
