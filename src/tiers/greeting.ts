import type { Visitor } from "../auth/caller.ts";
import type { Cidr } from "../client/address.ts";
import { createDialer, DialError, type Route } from "../client/dial.ts";
import { type Endpoint, formatEndpoint, parseEndpoint } from "../client/endpoint.ts";
import { bearer, createPeer, type Peer } from "../client/peer.ts";
import type { Hello } from "../contract/hello.ts";
import { SinewError } from "../contract/problem.ts";
import { API_RANGE, API_VERSION, negotiate, type Role } from "../contract/version.ts";
import type { World } from "../world.ts";

/** Of an endpoint as it is stored, and of a source's name: a tier above refuses the whole node for a longer one. */
const LONGEST = 1024;

const refused = (code: "invalid" | "forbidden", field: string, detail: string) =>
  new SinewError(code, `${field}: ${detail}`, { errors: [{ pointer: `/${field}`, detail }] });

/** The version to speak with the peer that said this hello. Throws SinewError api_version. */
export function agreeOnVersion(hello: Hello): string {
  // A seed peer has no word for versions: it speaks the first.
  if (!hello.api) return API_VERSION;
  const agreed = negotiate(hello.api);
  if (agreed !== null) return agreed;
  throw new SinewError(
    "api_version",
    `expected a range that meets ${API_RANGE.min} to ${API_RANGE.max}, got ${hello.api.min} to ${hello.api.max}`,
  );
}

/** Which peers may be called. */
export interface DialOptions {
  /** Networks besides this host's loopback and sockets where peers may say they answer. Default: none. */
  dial?: readonly Cidr[] | undefined;
  /** Where this tier listens, if that is not its endpoint: no peer may claim it. */
  listener?: string | undefined;
  /** Makes what this tier shows to processes of its node that it calls, good at this endpoint alone. Default: nothing. */
  pass?: ((endpoint: string) => Promise<string | null>) | undefined;
}

/** The peers that a tier calls because they said hello. */
export interface Peers {
  /** The sender of this hello, where it says it answers. Throws SinewError invalid, or forbidden if it may not be there. */
  of(hello: Hello, from: Visitor): Promise<Peer>;
  /** A peer from before a restart, by its endpoint as stored. It is checked anew when it is first called. */
  again(endpoint: string, options?: { local: boolean }): Peer;
}

export function createPeers(
  { dial = [], listener, pass, endpoint: own }: DialOptions & { endpoint?: string | null | undefined },
  world: World,
  asker: Role,
): Peers {
  const dialer = createDialer({ allow: dial, own: [own, listener].filter((one) => typeof one === "string") }, world);
  /** Only what has shown that it reads this node's state directory is shown anything. */
  const shown = (endpoint: Endpoint, local = false) =>
    local && pass ? { authorize: bearer(() => pass(formatEndpoint(endpoint))) } : {};
  return {
    async of(hello, { remoteAddress, caller }) {
      try {
        const endpoint = readEndpoint(hello, remoteAddress);
        const route = await dialer.route(endpoint, remoteAddress);
        return createPeer(endpoint, world, { asker, route: async () => route, ...shown(endpoint, caller.local) });
      } catch (error) {
        if (!(error instanceof DialError)) throw error;
        throw refused(error.forbidden ? "forbidden" : "invalid", "endpoint", error.message);
      }
    },
    again(stored, { local } = { local: false }) {
      const endpoint = parseEndpoint(stored);
      let found: Route | undefined;
      const route = async () => {
        found = found === undefined ? await dialer.routeAgain(endpoint) : found;
        return found;
      };
      return createPeer(endpoint, world, { asker, route, ...shown(endpoint, local) });
    },
  };
}

/** What the peer says of where it answers. Throws SinewError invalid. */
function readEndpoint(hello: Hello, remoteAddress: string | null): Endpoint {
  const bad = (detail: string) => refused("invalid", "endpoint", detail);
  let endpoint: Endpoint;
  try {
    endpoint = parseEndpoint(hello.endpoint, remoteAddress);
  } catch (error) {
    throw bad(error instanceof Error ? error.message : String(error));
  }
  const { length } = formatEndpoint(endpoint);
  // What is percent-encoded grows.
  if (length > LONGEST) throw bad(`expected at most ${LONGEST} characters, got ${length} once written as a URL`);
  return endpoint;
}

/** The name of a driver that has the name of a built-in one. Throws SinewError invalid. */
export function nameBeside(builtIn: string, endpoint: string): string {
  const name = `${builtIn}@${endpoint}`;
  if (name.length <= LONGEST) return name;
  throw refused(
    "invalid",
    "name",
    `expected another one than that of a built-in driver, as this endpoint is too long to tell them apart`,
  );
}
