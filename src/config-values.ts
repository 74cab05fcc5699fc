/** Parsers of the values settings have: null (or what is wrong) for text that is none. No host is asked anything. */
import { JOIN_PREFIX, parseJoinToken } from "./auth/join-token.ts";
import { formatEndpoint, parseEndpoint } from "./client/endpoint.ts";

export type Listen = { host: string; port: number } | { unix: string };

/** `HOST:PORT`, `[::1]:PORT` or `unix:PATH`. */
export function listenAt(text: string, cwd: string): Listen | null {
  if (text.startsWith("unix:")) {
    const path = socketPath(text.slice(5), cwd);
    return path ? { unix: path } : null;
  }
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([\w.-]+)):(\d{1,5})$/.exec(text);
  const host = match?.[1] ?? match?.[2];
  const port = Number(match?.[3]);
  return host && port <= 65535 ? { host: host === "localhost" ? "127.0.0.1" : host, port } : null;
}

// sockaddr_un holds 108 bytes with the final zero; a longer path is silently cut or refused, by runtime.
function socketPath(path: string, cwd: string): string | null {
  if (!path || path.includes("\0")) return null;
  const full = path.startsWith("/") ? path : `${cwd}/${path}`;
  return new TextEncoder().encode(full).length <= 107 ? full : null;
}

export const isLoopback = (host: string) =>
  host === "localhost" || host === "::1" || /^127(?:\.(?:\d|[1-9]\d|1\d\d|2[0-4]\d|25[0-5])){3}$/.test(host);

/** A URL's host, an IPv6 address without its brackets. */
export const hostOf = (url: string) => new URL(url).hostname.replace(/^\[|\]$/g, "");

/** Whether it is an address that only this host answers at: a unix socket, or loopback. */
export const isHere = (url: string) => url.startsWith("unix:") || isLoopback(hostOf(url));

/** Why auth mode `open` may not listen there; null when it may. */
export const boundSocket = (listen: Listen): string | null =>
  "unix" in listen || isLoopback(listen.host)
    ? null
    : "a loopback address or unix:PATH, because with --auth open anyone who can connect can use it";

/** A tier's address: `localhost:1337`, `http://host/agent`, `unix:/path`, written in one way. */
export function peerUrl(text: string): string | null {
  try {
    return formatEndpoint(parseEndpoint(text));
  } catch {
    return null; // the words of the error repeat the text, and it may hold a password
  }
}

/** A join token, or `@PATH` of a file that holds one; else what it is, in words that repeat nothing of it: it may hold a secret. */
export function joinText(text: string): { join: string } | { problem: string } {
  const other = { problem: "something else" };
  if (text.startsWith("@")) return text.length > 1 && !text.includes("\0") ? { join: text } : other;
  try {
    parseJoinToken(text);
    return { join: text };
  } catch {
    if (!text.startsWith(JOIN_PREFIX)) return other;
    return { problem: "what begins as one and is damaged, perhaps cut off while it was copied" };
  }
}

/** The URL, or what is wrong with it in words that repeat no password. */
export function databaseUrl(text: string, cwd: string): { url: string } | { problem: string } {
  if (text.startsWith("sqlite:")) {
    const path = text.slice(7);
    if (!path || path.includes("\0")) return { problem: "sqlite: without a path" };
    // Readers need a connection of their own, which a database in memory cannot give.
    if (path === ":memory:") return { problem: "sqlite: in memory; give the path of a file" };
    return { url: path.startsWith("/") ? text : `sqlite:${cwd}/${path}` };
  }
  if (/^postgres(ql)?:\/\//.test(text)) {
    return URL.canParse(text) ? { url: text } : { problem: "a postgres URL that cannot be parsed" };
  }
  const scheme = /^([a-z][a-z0-9+.-]*):\/\//i.exec(text)?.[1];
  return { problem: scheme ? `a URL with the scheme ${scheme}` : "a value without either scheme" };
}

/** Seconds from `least` to `most`, decimals allowed. */
export function seconds(text: string, least: number, most: number): number | null {
  const value = /^\d+(\.\d+)?$/.test(text) ? Number(text) : Number.NaN;
  return value >= least && value <= most ? value : null;
}

/** Any UUID but the nil one, which stands for "no node". */
export const isUuid = (text: string) =>
  /^[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}$/i.test(text) && !/^[0-]+$/.test(text);

/** A message with the password of a database URL taken out, as it is written in the URL and decoded. */
export function withoutSecrets(message: string, db: string): string {
  const password = URL.canParse(db) ? new URL(db).password : "";
  if (!password) return message;
  return [password, safeDecode(password)].reduce((text, secret) => text.replaceAll(secret, "***"), message);
}

function safeDecode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
