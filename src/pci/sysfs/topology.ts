/** `dddd:bb:dd.f`; the domain has up to 8 digits (Intel VMD and Hyper-V have more than 4). */
const ADDRESS = /^([0-9a-f]{4,8}):([0-9a-f]{2}):([01][0-9a-f]\.[0-7])$/;
const ROOT = /^pci([0-9a-f]{4,8}:[0-9a-f]{2})$/;

export interface Place {
  /** Domain and root bus, then device.function of each bridge down to the function: what identity is made of. */
  path: string;
  /** The address of the bridge above; null on a root bus. */
  parent: string | null;
}

export const isAddress = (name: string): boolean => ADDRESS.test(name);

/** Orders addresses as numbers: Linux pads a domain to 4 digits, so a longer one is a greater one. */
export const byAddress = (a: string, b: string): number => a.length - b.length || (a < b ? -1 : a > b ? 1 : 0);

const deviceFunction = (address: string) => address.slice(address.lastIndexOf(":") + 1);
const busOf = (address: string) => address.slice(0, address.lastIndexOf(":"));

/**
 * Where the entry `address` of bus/pci/devices sits by its link, such as
 * `../../../devices/pci0000:17/0000:17:00.0/0000:18:00.0`; null when the link leads to something else. The last root
 * in it counts: behind Intel VMD a second PCI domain hangs below a function of the first.
 */
export function placeByLink(address: string, target: string): Place | null {
  const parts = target.split("/");
  if (parts[parts.length - 1] !== address) return null;
  let root: string | null = null;
  let bridges: string[] = [];
  for (const part of parts) {
    const match = ROOT.exec(part);
    if (match) {
      root = match[1] ?? null;
      bridges = [];
    } else if (ADDRESS.test(part)) {
      bridges.push(part);
    }
  }
  root ??= busOf(bridges[0] ?? address);
  return {
    path: [root, ...bridges.map(deviceFunction)].join("/"),
    parent: bridges[bridges.length - 2] ?? null,
  };
}

/** A bridge's address and the number of the bus right below it. */
export interface Bridge {
  address: string;
  secondary: number;
}

/**
 * Where functions sit by what bridges say of their buses: for recorded trees of plain directories. Bridges can lie:
 * a bus inside itself ends the walk, and then the function's own bus is the root.
 */
export function placeByBridges(bridges: readonly Bridge[]): (address: string) => Place {
  const above = new Map<string, string>();
  for (const { address, secondary } of bridges) {
    const bus = `${address.slice(0, address.indexOf(":"))}:${secondary.toString(16).padStart(2, "0")}`;
    // Bus 0 behind a bridge is one that firmware never numbered.
    if (secondary !== 0 && bus !== busOf(address) && !above.has(bus)) above.set(bus, address);
  }
  return (address) => {
    const parts = [deviceFunction(address)];
    const seen = new Set<string>();
    let bus = busOf(address);
    for (let bridge = above.get(bus); bridge !== undefined; bridge = above.get(bus)) {
      if (seen.has(bus)) return alone(address);
      seen.add(bus);
      parts.unshift(deviceFunction(bridge));
      bus = busOf(bridge);
    }
    return { path: [bus, ...parts].join("/"), parent: above.get(busOf(address)) ?? null };
  };
}

/** Without topology the function's own bus is the root. */
export const alone = (address: string): Place => ({
  path: `${busOf(address)}/${deviceFunction(address)}`,
  parent: null,
});
