import type { PeerCertificate } from "node:tls";
import type { ClientTls, World } from "../world.ts";

type Fetch = World["fetch"];

/** The only CA that may have signed the far end's certificate (PEM), and the name that has to be in that certificate. */
export interface Pin extends ClientTls {
  ca: string;
}

/** `rejectUnauthorized` is always written out: NODE_TLS_REJECT_UNAUTHORIZED=0 in the environment switches it off else. */
export const systemTls = { rejectUnauthorized: true } as const;
export const pinnedTls = (pin: Pin) => ({ ...pin, ...systemTls });

/** Calls https URLs whose certificate the pinned CA signed, whoever else the system trusts. Redirects are not followed. */
export function pinnedFetch(fetch: Fetch, pin: Pin): Fetch {
  return withTls(fetch, pinnedTls(pin), "a pinned connection");
}

/** Calls https URLs whose certificate a CA of the system signed. Redirects are not followed. */
export function verifiedFetch(fetch: Fetch, own: Pick<ClientTls, "cert" | "key"> = {}): Fetch {
  return withTls(fetch, { ...own, ...systemTls }, "a connection with TLS");
}

function withTls(fetch: Fetch, tls: ClientTls & { rejectUnauthorized: true }, what: string): Fetch {
  // There a CA is trusted beside the system's, not instead of them, and the name cannot be chosen.
  if (tls.ca && "Deno" in globalThis) throw new Error("Deno's fetch cannot be held to one CA: this needs Bun");
  return async (url, init) => {
    const { protocol } = new URL(url);
    if (protocol !== "https:") throw new TypeError(`expected an https: URL for ${what}, got ${protocol}`);
    // Where a redirect leads nothing is pinned. `tls` is Bun's own, and no part of the standard's RequestInit.
    const redirect = init?.redirect === "manual" ? "manual" : "error";
    return fetch(url, { ...init, redirect, tls } as RequestInit);
  };
}

/** The most certificates of a chain that are looked at. */
const MAX_CHAIN = 8;

/**
 * The CA (PEM) whose SHA-256 over the DER is `hash` (lower-case hex), as the server at `host` and `port` shows it. Nothing is
 * sent. Throws Error with the hashes that were shown when there is no such CA, or no answer in `deadlineMs`.
 *
 * This proves that the server knows the CA's certificate, which is no secret. That the CA signed the server's own is proven
 * by the next connection, which is pinned to it: nothing may be said before.
 */
export async function fetchAuthority(options: {
  host: string;
  port: number;
  hash: string;
  deadlineMs: number;
}): Promise<string> {
  const { X509Certificate } = await import("node:crypto");
  const shown = (await chainOf(options)).map((der) => new X509Certificate(der));
  const authorities = shown.filter((certificate) => certificate.ca);
  const hashes = await Promise.all(authorities.map(({ raw }) => sha256(raw)));
  const found = authorities[hashes.indexOf(options.hash.toLowerCase())];
  if (found) return found.toString();
  const seen = hashes.length > 0 ? hashes.join(", ") : "no CA";
  throw new Error(
    `${options.host}:${options.port}: expected the CA with SHA-256 ${options.hash}, found ${seen} among ${shown.length} certificates`,
  );
}

/** The certificates a server shows, leaf first. Whose they are is not checked. */
async function chainOf({ host, port, deadlineMs }: { host: string; port: number; deadlineMs: number }) {
  const { connect } = await import("node:tls");
  const { isIP } = await import("node:net");
  return new Promise<Uint8Array[]>((resolve, reject) => {
    const fail = (why: string) => {
      socket.destroy();
      reject(new Error(`cannot get the certificates of ${host}:${port}: ${why}`));
    };
    const late = setTimeout(() => fail(`no answer within ${deadlineMs} ms`), deadlineMs);
    const name = isIP(host) ? {} : { servername: host };
    const socket = connect({ host, port, rejectUnauthorized: false, ...name }, () => {
      const chain: Uint8Array[] = [];
      let one: PeerCertificate | undefined = socket.getPeerCertificate(true);
      while (one?.raw && chain.length < MAX_CHAIN) {
        chain.push(new Uint8Array(one.raw));
        // A root names itself as its issuer.
        const next = issuerOf(one);
        one = next === one ? undefined : next;
      }
      clearTimeout(late);
      socket.destroy();
      resolve(chain);
    });
    socket.once("error", (error) => {
      clearTimeout(late);
      fail(error.message);
    });
    socket.once("close", () => {
      clearTimeout(late);
      fail("the connection was closed");
    });
  });
}

const issuerOf = (certificate: PeerCertificate): PeerCertificate | undefined =>
  "issuerCertificate" in certificate ? (certificate.issuerCertificate as PeerCertificate) : undefined;

async function sha256(der: Uint8Array): Promise<string> {
  const digest = await crypto.subtle.digest("SHA-256", new Uint8Array(der));
  return [...new Uint8Array(digest)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
