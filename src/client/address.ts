/** An IPv4 (4) or IPv6 (16) address by its bytes. One that carries an IPv4 address (`::ffff:`) is that address. */
export type Address = readonly number[];

/** A network: the addresses whose first `bits` are those of `address`. */
export interface Cidr {
  address: Address;
  bits: number;
}

const V4 = /^(0|[1-9]\d{0,2})\.(0|[1-9]\d{0,2})\.(0|[1-9]\d{0,2})\.(0|[1-9]\d{0,2})$/;

function parseV4(text: string): Address | null {
  const bytes = V4.exec(text)?.slice(1).map(Number);
  return bytes?.every((byte) => byte < 256) ? bytes : null;
}

function parseV6(text: string): Address | null {
  const [head = "", tail, more] = text.split("::");
  if (more !== undefined) return null;
  const before = groups(head);
  const after = tail === undefined ? [] : groups(tail);
  if (!before || !after) return null;
  const missing = 16 - before.length - after.length;
  // `::` stands for one group of zeros at least.
  if (tail === undefined ? missing !== 0 : missing < 2) return null;
  return [...before, ...new Array<number>(missing).fill(0), ...after];
}

/** `1:2:10.0.0.7` as bytes; only its last group may be an IPv4 address. */
function groups(text: string): number[] | null {
  if (text === "") return [];
  const bytes: number[] = [];
  const parts = text.split(":");
  for (const [index, part] of parts.entries()) {
    const v4 = index === parts.length - 1 ? parseV4(part) : null;
    if (v4) bytes.push(...v4);
    else if (/^[\da-f]{1,4}$/i.test(part)) bytes.push(Number.parseInt(part, 16) >> 8, Number.parseInt(part, 16) & 255);
    else return null;
  }
  return bytes;
}

/** Reads an address as resolvers, sockets and `URL.hostname` (with or without brackets) write it. No zone: null. */
export function parseAddress(text: string): Address | null {
  const bare = text.startsWith("[") && text.endsWith("]") ? text.slice(1, -1) : text;
  const address = bare.includes(":") ? parseV6(bare) : parseV4(bare);
  return address && inside(address, MAPPED) ? address.slice(12) : address;
}

/** As a URL's host has it, IPv6 without brackets. */
export function formatAddress(address: Address): string {
  if (address.length === 4) return address.join(".");
  const words = Array.from({ length: 8 }, (_, at) => ((address[2 * at] ?? 0) << 8) | (address[2 * at + 1] ?? 0));
  return words.map((word) => word.toString(16)).join(":");
}

export function inside(address: Address, { address: network, bits }: Cidr): boolean {
  if (address.length !== network.length) return false;
  return network.every((byte, at) => {
    const shift = 8 - Math.max(0, Math.min(8, bits - 8 * at));
    return byte >> shift === (address[at] ?? 0) >> shift;
  });
}

/** One network, as `10.0.0.0/8`, `fd12::/16` or an address alone; null for another text, and where bits follow the prefix. */
function parseCidr(text: string): Cidr | null {
  const [network = "", prefix, more] = text.split("/");
  if (more !== undefined || network.startsWith("[")) return null;
  const v6 = network.includes(":");
  const address = v6 ? parseV6(network) : parseV4(network);
  if (!address || (prefix !== undefined && !/^(0|[1-9]\d{0,2})$/.test(prefix))) return null;
  const bits = prefix === undefined ? address.length * 8 : Number(prefix);
  if (bits > address.length * 8) return null;
  // 10.0.0.7/8 is a mistake: whoever means one machine would get sixteen million.
  if (address.some((byte, at) => (byte << Math.max(0, Math.min(8, bits - 8 * at))) & 255)) return null;
  if (bits >= MAPPED.bits && inside(address, MAPPED)) return { address: address.slice(12), bits: bits - MAPPED.bits };
  // Such addresses are judged by the IPv4 address inside them, so a network of them would never apply.
  if (EMBEDDED.some(({ network }) => bits >= network.bits && inside(address, network))) return null;
  return { address, bits };
}

/** Networks separated by commas; null when one of them is none. */
export function parseCidrs(text: string): Cidr[] | null {
  const cidrs = text.split(",").map((one) => parseCidr(one.trim()));
  return cidrs.every((one) => one !== null) ? cidrs : null;
}

export const formatCidr = ({ address, bits }: Cidr): string => `${shorter(formatAddress(address))}/${bits}`;
/** The longest run of zeros as `::`, which is how people write a network. */
const shorter = (text: string) => (text.includes(":") ? new URL(`http://[${text}]`).hostname.slice(1, -1) : text);

const v4 = (text: string, bits = 32): Cidr => ({ address: parseV4(text) ?? [], bits });
const v6 = (text: string, bits = 128): Cidr => ({ address: parseV6(text) ?? [], bits });
const MAPPED = v6("::ffff:0:0", 96);

/** IPv6 addresses that stand for an IPv4 address, and where in them it is: a translator takes them there. */
const EMBEDDED: readonly { network: Cidr; at: number }[] = [
  { network: v6("::ffff:0:0:0", 96), at: 12 }, // RFC 2765, 2.1
  { network: v6("64:ff9b::", 96), at: 12 }, // RFC 6052, 2.1
  { network: v6("2002::", 16), at: 2 }, // 6to4, RFC 3056, 2
];

const LOOPBACK = [v4("127.0.0.0", 8), v6("::1")];

/** What is no machine that one of ours could run on. */
const NEVER: readonly [what: string, ...networks: Cidr[]][] = [
  // Before the unspecified: these have `::` inside.
  ["a cloud's metadata service", v4("169.254.169.254"), v4("100.100.100.200"), v4("192.0.0.192")],
  ["a cloud's metadata service", v4("168.63.129.16"), v6("fd00:ec2::254"), v6("fd20:ce::254")],
  ["the unspecified address", v4("0.0.0.0", 8), v6("::")],
  ["link-local", v4("169.254.0.0", 16), v6("fe80::", 10)],
  ["multicast", v4("224.0.0.0", 4), v6("ff00::", 8)],
  ["broadcast or reserved", v4("240.0.0.0", 4)],
  // The IPv4 address inside is where the tunnel's operator says (RFC 4380, RFC 8215), or nowhere (RFC 4291, 2.5.5.1).
  ["an IPv4 address in a tunnel", v6("2001::", 32), v6("64:ff9b:1::", 48)],
];
const COMPATIBLE = v6("::", 96);

export const isLoopback = (address: Address): boolean => LOOPBACK.some((network) => inside(address, network));

/** Why nobody may have this address called, whatever is allowed; null for an address that may be allowed. */
export function neverCalled(address: Address): string | null {
  const found = NEVER.find(([, ...networks]) => networks.some((network) => inside(address, network)));
  if (found) return found[0];
  const within = embedded(address);
  if (within) return isLoopback(within) ? "loopback behind a translator" : neverCalled(within);
  return inside(address, COMPATIBLE) && !isLoopback(address) ? "an IPv4 address in a form that nobody answers" : null;
}

function embedded(address: Address): Address | null {
  const found = EMBEDDED.find(({ network }) => inside(address, network));
  return found ? address.slice(found.at, found.at + 4) : null;
}

/** Whether one of these networks holds it; what stands for an IPv4 address is held where that is. */
export function isInside(address: Address, networks: readonly Cidr[]): boolean {
  const judged = embedded(address) ?? address;
  return networks.some((network) => inside(judged, network));
}
