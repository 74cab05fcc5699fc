import type { Hardware, Serial } from "../../../contract/hardware.ts";
import { SysfsError, type SysfsReader } from "../reader.ts";

/** What a function's class directories tell: those that its kernel driver makes for what it offers. */
export interface ClassFacts {
  attributes: Hardware["attributes"];
  serials: Serial[];
}

/** A function's open directory. */
export interface Readable {
  reader: SysfsReader;
  directory: number;
  kernel_driver: string | null;
}

/** Text of a device's firmware is no longer than this. */
const LONGEST = 64;
/** More children than a function has. */
const MOST = 64;
/** Names that kernel drivers give: an interface's is at most 15 characters, and a person can choose it. */
const NAME = /^[\w.:@+-]{1,31}$/;

/** Reads what the class directories of an awake function tell, by its class (PCI Code and ID Assignment 1.11, 1). */
export function classFacts(fn: Readable, pciClass: string): ClassFacts {
  const facts: ClassFacts = { attributes: {}, serials: [] };
  // Only a driver makes such directories.
  if (fn.kernel_driver === null) return facts;
  switch (pciClass.slice(0, 2)) {
    case "01":
      if (pciClass.startsWith("0108")) readNvme(fn, facts);
      break;
    case "02":
      readNet(fn, facts);
      break;
    case "03":
    case "12":
      readNodes(fn, facts);
  }
  return facts;
}

/** `nvme/nvme0/{model,serial,firmware_rev}`: what the controller said of itself when it was bound, padded with blanks. */
function readNvme({ reader, directory }: Readable, { attributes, serials }: ClassFacts): void {
  const [controller] = childrenOf(reader, directory, "nvme").filter((name) => /^nvme\d{1,5}$/.test(name));
  if (controller === undefined) return;
  attributes.nvme_controller = controller;
  inChild(reader, directory, `nvme/${controller}`, (inside) => {
    const model = textOf(reader, inside, "model");
    const firmware = textOf(reader, inside, "firmware_rev");
    const serial = textOf(reader, inside, "serial");
    if (model !== null) attributes.model = model;
    if (firmware !== null) attributes.firmware_version = firmware;
    if (serial !== null) serials.push({ kind: "nvme", value: serial });
  });
}

/** `net/eth0/operstate`; below a virtio function there is a device of that bus in between. */
function readNet(fn: Readable, { attributes }: ClassFacts): void {
  const paths = netdevsOf(fn);
  if (paths.length === 0) return;
  let up = false;
  for (const path of paths) {
    inChild(fn.reader, fn.directory, path, (inside) => {
      if (textOf(fn.reader, inside, "operstate") === "up") up = true;
    });
  }
  attributes.net_interfaces = paths.map((path) => path.slice(path.lastIndexOf("/") + 1)).join(",");
  attributes.net_link_up = up;
}

/** `drm/card0`, `drm/renderD128`, `accel/accel0`: the nodes below /dev by which programs use it. */
function readNodes({ reader, directory }: Readable, { attributes }: ClassFacts): void {
  const drm = childrenOf(reader, directory, "drm");
  const card = drm.find((name) => /^card\d{1,5}$/.test(name));
  const render = drm.find((name) => /^renderD\d{1,5}$/.test(name));
  const accel = childrenOf(reader, directory, "accel").find((name) => /^accel\d{1,5}$/.test(name));
  if (card !== undefined) attributes.drm_card = card;
  if (render !== undefined) attributes.drm_render = render;
  if (accel !== undefined) attributes.accel_node = accel;
}

/** Its network interfaces, as paths below its directory: `net/eth0`, `virtio0/net/ens3`. */
export function netdevsOf({ reader, directory, kernel_driver }: Readable): string[] {
  const own = childrenOf(reader, directory, "net").map((name) => `net/${name}`);
  if (own.length > 0 || kernel_driver !== "virtio-pci") return own;
  const virtio = childrenOf(reader, directory, ".").find((name) => /^virtio\d{1,5}$/.test(name));
  return virtio === undefined
    ? []
    : childrenOf(reader, directory, `${virtio}/net`).map((name) => `${virtio}/net/${name}`);
}

/** Names in the directory `name` below a function's, sorted as numbers; none where there is no such directory. */
export function childrenOf(reader: SysfsReader, directory: number, name: string): string[] {
  const inside = reader.openList(directory, name);
  if (inside < 0) return [];
  try {
    const names = reader.list(inside, name).filter((child) => NAME.test(child));
    return names.sort((a, b) => a.length - b.length || (a < b ? -1 : 1)).slice(0, MOST);
  } catch (error) {
    // Whatever it was has left while it was listed.
    if (!(error instanceof SysfsError)) throw error;
    return [];
  } finally {
    reader.close(inside);
  }
}

/** Opens a directory below a function's for `work`, which is not called where there is none. */
export function inChild(reader: SysfsReader, directory: number, path: string, work: (inside: number) => void): void {
  const inside = reader.openEntry(directory, path);
  if (inside < 0) return;
  try {
    work(inside);
  } finally {
    reader.close(inside);
  }
}

/** An attribute's text, cut; null where it is missing, empty or can't be read: the device may be on its way out. */
export function textOf(reader: SysfsReader, directory: number, name: string): string | null {
  return reader.read(directory, name) ? (reader.text()?.slice(0, LONGEST).trim() ?? null) : null;
}
