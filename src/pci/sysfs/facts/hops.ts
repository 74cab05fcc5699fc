import type { PciLink } from "../../../contract/pci.ts";
import type { PciHop } from "../../function.ts";

/** A port on the way up, and the one above it. What it costs to know is asked for when it is needed. */
export interface Port {
  readonly parent: string | null;
  /** What its end of a link can; null where it does not tell. */
  readonly can: Pick<PciLink, "max_speed_gts" | "max_width"> | null;
  /** Its own link, upwards; null where it does not tell. */
  readonly link: PciLink | null;
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
    const { speed_gts, width, max_speed_gts, max_width } = lower;
    const { can } = upper;
    hops.push({
      device,
      port,
      speed_gts,
      width,
      max_speed_gts,
      max_width,
      both_speed_gts: lesser(max_speed_gts, can?.max_speed_gts ?? null),
      both_width: lesser(max_width, can?.max_width ?? null),
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

const NONE: Port = { parent: null, can: null, link: null };
const lesser = (a: number | null, b: number | null) => (a === null || b === null ? null : Math.min(a, b));
