import type { PciLink } from "../../../contract/pci.ts";
import type { PciHop } from "../../function.ts";

/** A port on the way up: its link, and the port above it. */
export interface Port {
  link: PciLink | null;
  parent: string | null;
}

/** More ports than a way has: buses are numbered by 8 bits. */
const MOST = 256;

/**
 * The links from a function up to its root port. A link joins a function to the port above it; that port is a root port,
 * or belongs to a switch whose upstream port is right above it, and that one has the next link (PCIe 6.0, 1.4). Ends at
 * what is no PCI Express port or can't be asked.
 */
export function hopsOf(
  address: string,
  link: PciLink,
  parent: string | null,
  portAt: (address: string) => Port,
): PciHop[] {
  const hops: PciHop[] = [];
  let device = address;
  let lower: PciLink | null = link;
  let port = parent;
  while (lower !== null && hops.length < MOST) {
    const upper: Port = port === null ? NONE : portAt(port);
    hops.push({
      device,
      port,
      ...lower,
      both_speed_gts: lesser(lower.max_speed_gts, upper.link?.max_speed_gts ?? null),
      both_width: lesser(lower.max_width, upper.link?.max_width ?? null),
    });
    if (upper.parent === null) break;
    device = upper.parent;
    const next = portAt(device);
    // A switch is in the host: a port that shows nothing above it is the root port.
    lower = next.parent === null ? null : next.link;
    port = next.parent;
  }
  return hops;
}

const NONE: Port = { link: null, parent: null };
const lesser = (a: number | null, b: number | null) => (a === null || b === null ? null : Math.min(a, b));
