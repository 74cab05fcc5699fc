import { contents } from "./tree.ts";

interface Route {
  /** Bytes of the destination, 4 or 16, and how many bits of it count. */
  to: number[];
  bits: number;
  device: string;
  metric: number;
}

// RTF_UP and RTF_REJECT of linux/route.h: the route counts, and its packets are not thrown away.
const counts = (flags: number) => (flags & 0x1) !== 0 && (flags & 0x200) === 0;
/** A table begins with its columns' names. */
const HEX = /^[0-9a-f]{8}$/i;
const bytesOf = (hex: string) => hex.match(/../g)?.map((byte) => Number.parseInt(byte, 16)) ?? [];

/** The tables of this process's network namespace, and of the first process's, which may be the host's. */
const TABLES = ["self/net", "1/net"];

/** The main tables of both address families; rules that choose other tables are not looked at. */
function readRoutes(proc: string): Route[] {
  const both = (name: string) => TABLES.flatMap((at) => (contents(`${proc}/${at}/${name}`) ?? "").split("\n"));
  const routes: Route[] = [];
  for (const line of both("route")) {
    const [device, to, , flags, , , metric, mask] = line.trim().split(/\s+/);
    if (!device || !to || !flags || !mask || !HEX.test(to) || !counts(Number.parseInt(flags, 16))) continue;
    // Each is a 32-bit number in host order, which is little-endian where Bun runs.
    const bits = bytesOf(mask).reduce((sum, byte) => sum + byte.toString(2).replaceAll("0", "").length, 0);
    routes.push({ to: bytesOf(to).reverse(), bits, device, metric: Number(metric) });
  }
  for (const line of both("ipv6_route")) {
    const [to, bits, , , , metric, , , flags, device] = line.trim().split(/\s+/);
    if (!device || !to || !bits || !flags || device === "lo" || !counts(Number.parseInt(flags, 16))) continue;
    routes.push({
      to: bytesOf(to),
      bits: Number.parseInt(bits, 16),
      device,
      metric: Number.parseInt(metric ?? "", 16),
    });
  }
  return routes;
}

/** The interfaces of the default routes, and those over which each of `addresses` is reached. */
export function routesOf(proc: string, addresses: readonly string[]): { defaults: string[]; ways: string[] } {
  const routes = readRoutes(proc);
  const defaults = routes.filter(({ bits }) => bits === 0).map(({ device }) => device);
  const ways = addresses.flatMap((address) => {
    const bytes = addressBytes(address);
    const fitting = routes.filter((route) => bytes && contains(route, bytes));
    const best = Math.max(...fitting.map(({ bits }) => bits));
    // All of the best: which of equal ones the kernel takes depends on metrics, and on how many ways there are.
    return fitting.filter(({ bits }) => bits === best).map(({ device }) => device);
  });
  return { defaults: [...new Set(defaults)], ways: [...new Set(ways)] };
}

const contains = ({ to, bits }: Route, address: number[]) =>
  to.length === address.length &&
  to.every((byte, at) => {
    const mask = 0xff00 >> Math.min(8, Math.max(0, bits - at * 8));
    return (byte & mask & 0xff) === ((address[at] ?? 0) & mask & 0xff);
  });

function addressBytes(address: string): number[] | null {
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1] ?? address;
  if (/^\d+(\.\d+){3}$/.test(mapped)) return mapped.split(".").map(Number);
  const [left = "", right] = address.replace(/%.*$/, "").split("::");
  const words = (part: string) => (part ? part.split(":").map((word) => Number.parseInt(word, 16)) : []);
  const [head, tail] = [words(left), words(right ?? "")];
  const zeros = right === undefined ? 0 : 8 - head.length - tail.length;
  const all = [...head, ...Array.from({ length: Math.max(0, zeros) }, () => 0), ...tail];
  return all.length === 8 ? all.flatMap((word) => [word >> 8, word & 0xff]) : null;
}
