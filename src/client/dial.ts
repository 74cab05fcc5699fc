import type { World } from "../world.ts";
import {
  type Address,
  type Cidr,
  formatAddress,
  formatCidr,
  isInside,
  isLoopback,
  neverCalled,
  parseAddress,
} from "./address.ts";
import { type Endpoint, formatEndpoint, parseEndpoint } from "./endpoint.ts";

/** What a peer may name as its endpoint; the peer says it, so each is a call that somebody else chose. */
export interface DialPolicy {
  /** Networks that may be called besides this host's loopback and sockets. */
  allow: readonly Cidr[];
  /** Where this tier itself answers: what it announces, and its listener. */
  own: readonly string[];
}

/** An endpoint that will not be called. `forbidden`: by what is allowed; else it is of no use to anyone. */
export class DialError extends Error {
  readonly forbidden: boolean;
  constructor(message: string, forbidden: boolean) {
    super(message);
    this.name = "DialError";
    this.forbidden = forbidden;
  }
}

/** Where to connect in place of looking up a name; null: as the endpoint itself says. */
export type Route = readonly string[] | null;

export interface Dialer {
  /** Whether the sender of a hello may have this endpoint called, and where that is. Throws DialError. */
  route(endpoint: Endpoint, remoteAddress: string | null): Promise<Route>;
  /** The same of an endpoint that was accepted before a restart, when who sent it is known no longer. Throws DialError. */
  routeAgain(endpoint: Endpoint): Promise<Route>;
}

const RESOLVE_MS = 5_000;
/** A machine has a few. */
const MOST_ADDRESSES = 64;
/** This host by definition (RFC 6761, 6.3), whatever a resolver says. */
const LOCALHOST = /^localhost\.?$/;
const LOCALHOST_ROUTE = ["127.0.0.1", "::1"];

const useless = (detail: string) => new DialError(detail, false);
const forbidden = (detail: string) => new DialError(detail, true);

/** Whether a caller is on this host: on loopback, or null, on a unix socket. */
export function isLocal(remoteAddress: string | null): boolean {
  const address = remoteAddress === null ? null : parseAddress(remoteAddress);
  return remoteAddress === null || (address !== null && isLoopback(address));
}

export function createDialer({ allow, own }: DialPolicy, world: Pick<World, "resolve" | "host" | "timer">): Dialer {
  const ours = own.map((text) => parseEndpoint(text, "127.0.0.1"));
  const networks = allow.length === 0 ? "none is set" : allow.map(formatCidr).join(", ");
  const expected = `a loopback address or one inside --dial (${networks})`;

  /** Of a host that is no address. */
  async function addressesOf(name: string): Promise<Address[]> {
    const found = await resolved(name, world);
    if (found.length === 0 || found.length > MOST_ADDRESSES)
      throw useless(`expected a name with 1 to ${MOST_ADDRESSES} addresses, got ${name} with ${found.length}`);
    return found.map((text) => {
      const address = parseAddress(text);
      if (!address) throw forbidden(`expected ${expected}, got ${name}, which is ${text}`);
      return address;
    });
  }

  /** `sender`: null for this host. */
  function judge(address: Address, shown: string, sender: string | null) {
    const never = neverCalled(address);
    if (never !== null) throw forbidden(`expected the address of a machine, got ${shown}: ${never} is never called`);
    if (isLoopback(address) ? sender === null : isInside(address, allow)) return;
    if (isLoopback(address)) throw forbidden(notFrom(sender, shown));
    throw forbidden(`expected ${expected}, got ${shown}`);
  }

  const notFrom = (sender: string | null, shown: string) =>
    `expected an address inside --dial (${networks}), got ${shown}, which only a peer on this host may name, from ${sender ?? "here"}`;

  async function isOwn(url: URL, addresses: readonly Address[]): Promise<boolean> {
    const listeners = ours.flatMap((one) => (one.kind === "http" ? [new URL(one.base)] : []));
    if (!listeners.some((one) => portOf(one) === portOf(url))) return false;
    const mine = [...listeners.map(({ hostname }) => hostname), ...(await world.host()).addresses];
    const known = mine.flatMap((text) => parseAddress(text)?.join() ?? []);
    return addresses.some((address) => isLoopback(address) || known.includes(address.join()));
  }

  async function check(endpoint: Endpoint, sender: string | null): Promise<Route> {
    const shown = formatEndpoint(endpoint);
    const self = () => useless(`expected the peer's address, got this tier's own, ${shown}`);
    if (endpoint.kind === "unix") {
      if (ours.some((one) => one.kind === "unix" && plainPath(one.path) === plainPath(endpoint.path))) throw self();
      if (sender !== null) throw forbidden(notFrom(sender, shown));
      return null;
    }
    const url = new URL(endpoint.base);
    const same = ours.some((one) => one.kind === "http" && new URL(one.base).origin === url.origin);
    const path = plainPath(url.pathname);
    const mounted = ours.every((one) => one.kind === "unix" || plainPath(new URL(one.base).pathname) !== path);
    // Several tiers can be mounted on one listener, each at its path. Whoever is on this host may say so.
    if (same && mounted && sender === null) return null;
    if (same) throw self();
    const literal = parseAddress(url.hostname);
    const localhost = LOCALHOST.test(url.hostname);
    const addresses = literal
      ? [literal]
      : localhost
        ? LOCALHOST_ROUTE.flatMap((text) => [parseAddress(text) ?? []])
        : await addressesOf(url.hostname);
    for (const address of addresses) {
      const text = formatAddress(address);
      judge(address, literal || localhost ? url.hostname : `${url.hostname}, which is ${text}`, sender);
    }
    if (!(mounted && sender === null) && (await isOwn(url, addresses))) throw self();
    if (literal) return null;
    return localhost ? LOCALHOST_ROUTE : addresses.slice(0, 1).map(formatAddress);
  }

  return {
    route: (endpoint, remoteAddress) => check(endpoint, isLocal(remoteAddress) ? null : remoteAddress),
    async routeAgain(endpoint) {
      if (endpoint.kind === "unix") return check(endpoint, null);
      const { hostname } = new URL(endpoint.base);
      // Loopback by its own name was accepted from this host alone. Another name can have been given a new address.
      const surely = parseAddress(hostname) !== null || LOCALHOST.test(hostname);
      const called = surely || hostname === (await world.host()).name.toLowerCase();
      return check(endpoint, called ? null : "a stored endpoint");
    },
  };
}

const portOf = (url: URL) => url.port || (url.protocol === "https:" ? "443" : "80");
/** Without dot segments and doubled slashes. */
function plainPath(path: string): string {
  const url = new URL("http://localhost");
  url.pathname = path.replace(/\/+/g, "/");
  return url.pathname.replace(/\/$/, "");
}

async function resolved(name: string, { resolve, timer }: Pick<World, "resolve" | "timer">): Promise<string[]> {
  let cancel = () => {};
  const late = new Promise<never>((_, fail) => {
    cancel = timer(RESOLVE_MS, () =>
      fail(useless(`expected a name with an address, got none for ${name} within ${RESOLVE_MS} ms`)),
    );
  });
  try {
    return await Promise.race([resolve(name), late]);
  } catch (error) {
    if (error instanceof DialError) throw error;
    throw useless(`expected a name with an address, got ${name}: ${error instanceof Error ? error.message : error}`);
  } finally {
    cancel();
  }
}
