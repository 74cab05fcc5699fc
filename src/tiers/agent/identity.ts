import type { Hardware, Serial } from "../../contract/hardware.ts";
import { uuidV5 } from "../../pci/identity.ts";

/** What an agent remembers of a device after it has left, so that it is the same device when it returns. */
export interface Known {
  uuid: string;
  source: string;
  path: string | null;
  /** vendor:device */
  ids: string | null;
  serials: Serial[];
  first_seen: string;
  /** When it was last certainly there; null: not known. Of one that is there, as of its last report. */
  last_seen: string | null;
}

export const knownOf = (device: Hardware): Known => ({
  uuid: device.uuid,
  source: device.source,
  path: device.pci?.path ?? null,
  ids: device.pci ? `${device.pci.vendor_id}:${device.pci.device_id}` : null,
  serials: device.serials,
  first_seen: device.first_seen,
  last_seen: null,
});

/**
 * A serial as an identity: with the ids and the function number, since all functions of one card share its Device
 * Serial Number (PCIe 6.0, 7.9.3).
 */
const serialKeys = ({ ids, path, serials, source }: Known): string[] =>
  serials.map(({ kind, value }) => `${source} ${kind} ${value} ${ids} ${path?.split(".").at(-1) ?? ""}`);

/** Keys that exactly one of `all` has. Two cards with one serial exist (and then it proves nothing). */
function uniqueSerials(all: Known[]): Map<string, Known> {
  const owners = new Map<string, Known | null>();
  for (const known of all)
    for (const key of new Set(serialKeys(known))) owners.set(key, owners.has(key) ? null : known);
  const unique = new Map<string, Known>();
  for (const [key, known] of owners) if (known) unique.set(key, known);
  return unique;
}

/** Both have a serial of one kind, and they differ: a different card. */
const contradicts = (a: Known, b: Known) =>
  a.serials.some((x) => b.serials.some((y) => x.kind === y.kind)) &&
  !a.serials.some((x) => b.serials.some((y) => x.kind === y.kind && x.value === y.value));

/**
 * Gives each PCI device of a report the uuid it is known by: a serial unique in both the old and the new report carries
 * its uuid to a new path; at a known path a different known serial is a new device; everything else goes by path and
 * ids, which any user can read (DESIGN.md, Identity). Devices without `pci` keep the uuid they came with.
 */
export function identify(devices: Hardware[], memory: Iterable<Known>): Hardware[] {
  const remembered = [...memory];
  const oldSerials = uniqueSerials(remembered);
  const arrived = devices.map(knownOf);
  const newSerials = uniqueSerials(arrived);
  const byPath = new Map(remembered.filter(({ path }) => path !== null).map((known) => [pathKey(known), known]));
  const taken = new Set<string>();
  const uuids = new Array<string | null>(devices.length).fill(null);

  const give = (index: number, uuid: string) => {
    if (taken.has(`${arrived[index]?.source} ${uuid}`)) return;
    taken.add(`${arrived[index]?.source} ${uuid}`);
    uuids[index] = uuid;
  };
  // Serials first, over the whole report: what moved must not lose its uuid to what took its place.
  arrived.forEach((known, index) => {
    if (known.path === null) {
      give(index, known.uuid);
      return;
    }
    const key = serialKeys(known).find((key) => newSerials.has(key) && oldSerials.has(key));
    const old = key === undefined ? undefined : oldSerials.get(key);
    if (old) give(index, old.uuid);
  });
  arrived.forEach((known, index) => {
    const old = byPath.get(pathKey(known));
    if (uuids[index] === null && old && !contradicts(old, known)) give(index, old.uuid);
  });
  const owned = new Set(remembered.map(({ uuid, source }) => `${source} ${uuid}`));
  arrived.forEach((known, index) => {
    if (uuids[index] !== null) return;
    // The uuid of this path may belong to the card that was here before: then the serial, or a number, tells them apart.
    for (let attempt = 0; uuids[index] === null; attempt += 1) {
      const uuid =
        attempt === 0 ? known.uuid : uuidV5(known.uuid, `${known.serials.map((s) => s.value).join(" ")} ${attempt}`);
      if (!owned.has(`${known.source} ${uuid}`)) give(index, uuid);
    }
  });
  return devices.map((device, index) => ({ ...device, uuid: uuids[index] ?? device.uuid }));
}

const pathKey = ({ source, path, ids }: Known) => `${source} ${path} ${ids}`;
