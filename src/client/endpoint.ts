/** Where a tier answers: an http(s) base URL without trailing slash, or a unix socket. */
export type Endpoint = { kind: "http"; base: string } | { kind: "unix"; path: string };

/**
 * Reads an endpoint as the seed writes it (`localhost:1337`), a URL with or without a path, `unix:/path`, or `:PORT`,
 * which means the address the hello came from. Throws RangeError saying what was expected.
 */
export function parseEndpoint(text: string, remoteAddress?: string | null): Endpoint {
  const fail = (why: string) =>
    new RangeError(
      `expected HOST:PORT, http(s)://HOST[:PORT][/PATH] or unix:/PATH, got ${JSON.stringify(withoutSecrets(text))}: ${why}`,
    );
  if (text.startsWith("unix:")) {
    const path = text.slice("unix:".length).replace(/^\/\//, "");
    if (!path.startsWith("/") || path.includes("\0") || path.length > 107)
      throw fail("an absolute path of up to 107 bytes");
    return { kind: "unix", path };
  }
  // `new URL("localhost:1337")` takes localhost: for a scheme, so a scheme counts only with its slashes.
  const scheme = /^([a-z][a-z0-9+.-]*):\/\//i.exec(text)?.[1]?.toLowerCase();
  if (scheme !== undefined && scheme !== "http" && scheme !== "https") throw fail(`the scheme ${scheme} is not http`);
  let full = scheme === undefined ? `http://${text}` : text;
  if (/^:\d+(\/|$)/.test(text)) {
    if (!remoteAddress) throw fail("no address goes with the port here");
    full = `http://${remoteAddress.includes(":") ? `[${remoteAddress}]` : remoteAddress}${text}`;
  }
  if (!URL.canParse(full)) throw fail("not a URL");
  const url = new URL(full);
  if (url.username || url.password) throw fail("credentials do not belong into an endpoint");
  if (url.search || url.hash) throw fail("no query or fragment");
  if (url.port === "0") throw fail("port 0 answers nothing");
  return { kind: "http", base: `${url.protocol}//${url.host}${url.pathname.replace(/\/+$/, "")}` };
}

/** What stands before an @ is a credential, also where the rest is no URL. */
const withoutSecrets = (text: string) => text.replace(/^([a-z][a-z0-9+.-]*:\/\/)?.*@/is, "$1...@");

export const formatEndpoint = (endpoint: Endpoint): string =>
  endpoint.kind === "unix" ? `unix:${endpoint.path}` : endpoint.base;
