import {
  closeSync,
  existsSync,
  fstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readlinkSync,
  readSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { dirname, posix } from "node:path";
import type { ConfigSpace } from "../../pci/config/space.ts";
import { recordConfig, recordedBytes } from "../../pci/snapshot/config.ts";
import type { Snapshot, SnapshotFunction } from "../../pci/snapshot/snapshot.ts";
import { isAddress, isAttribute, isLink, isPath, isSlotName, wakesDevice } from "../../pci/snapshot/snapshot.ts";

const DEVICES = "bus/pci/devices";
const SLOTS = "bus/pci/slots";
const DRIVERS = "bus/pci/drivers";
/** One page, which sysfs never exceeds. */
const PAGE = 4096;

/** Reads what a scan would from the sysfs at `sysfs`, as gently as a scan: sleeping devices are not woken, VPD not read. */
export function readTree(sysfs: string, about: Pick<Snapshot, "taken_at" | "host">): Snapshot {
  const names = list(`${sysfs}/${DEVICES}`);
  const slots: Snapshot["slots"] = {};
  for (const name of list(`${sysfs}/${SLOTS}`)) {
    const address = attempt(() => text(`${sysfs}/${SLOTS}/${name}/address`).trimEnd());
    if (isSlotName(name) && typeof address === "string" && isAddress(`${address}.0`)) slots[name] = address;
  }
  return {
    sinew_snapshot: 1,
    ...about,
    functions: Object.fromEntries(names.filter(isAddress).map((name) => [name, readFunction(sysfs, name)])),
    bad_names: names.filter((name) => !isAddress(name)),
    drivers: existsSync(`${sysfs}/${DRIVERS}`),
    slots,
  };
}

function readFunction(sysfs: string, address: string): SnapshotFunction {
  const listed = `${DEVICES}/${address}`;
  const place = attempt(() => target(sysfs, listed));
  const device = typeof place === "string" && place.endsWith(`/${address}`) ? place : listed;
  const directory = `${sysfs}/${listed}`;
  const fn: SnapshotFunction = { device, attributes: {}, links: {}, config: null, unreadable: {} };
  const keep = <T>(name: string, read: () => T): T | null => {
    const value = attempt(read);
    if (!(value instanceof Failure)) return value;
    if (value.code !== "ENOENT") fn.unreadable[name] = value.code;
    return null;
  };

  const asleep = keep("power/runtime_status", () => text(`${directory}/power/runtime_status`))?.startsWith("suspend");
  for (const name of files(directory)) {
    if (isLink(name)) {
      const path = keep(name, () => target(sysfs, `${listed}/${name}`, device));
      if (path !== null) fn.links[name] = path;
    } else if (isAttribute(name) && !(asleep && wakesDevice(name))) {
      const value = keep(name, () => text(`${directory}/${name}`));
      if (value !== null) fn.attributes[name] = value;
    } else if (name === "config" && !asleep) {
      fn.config = keep(name, () => readConfig(`${directory}/config`));
    }
  }
  return fn;
}

/** Names in a function's directory, and the nested ones that are recorded. */
function files(directory: string): string[] {
  const nvme = list(`${directory}/nvme`).flatMap((name) =>
    ["serial", "model", "firmware_rev"].map((attribute) => `nvme/${name}/${attribute}`),
  );
  return [...list(directory), "power/runtime_status", "power/control", ...nvme];
}

class Failure {
  readonly code: string;
  constructor(code: string) {
    this.code = code;
  }
}

function attempt<T>(read: () => T): T | Failure {
  try {
    return read();
  } catch (error) {
    if (error instanceof Error && "code" in error && typeof error.code === "string") return new Failure(error.code);
    throw error;
  }
}

function list(directory: string): string[] {
  const names = attempt(() => readdirSync(directory).sort());
  return names instanceof Failure ? [] : names;
}

function text(path: string): string {
  const fd = openSync(path, "r");
  try {
    const page = Buffer.alloc(PAGE);
    return page.toString("utf8", 0, readSync(fd, page, 0, PAGE, 0));
  } finally {
    closeSync(fd);
  }
}

/** Where the link at `path` leads, below the sysfs root. `directory` is where its file really is. */
function target(sysfs: string, path: string, directory = dirname(path)): string {
  const link = readlinkSync(`${sysfs}/${path}`);
  const found = posix.join("/", directory, link).slice(1);
  if (link.startsWith("/") || !isPath(found))
    throw Object.assign(new Error(`${path} leads out of the tree`), { code: "EXDEV" });
  return found;
}

function readConfig(path: string): SnapshotFunction["config"] {
  const fd = openSync(path, "r");
  try {
    const known = new Map<number, number>();
    const dword = Buffer.alloc(4);
    const read = (offset: number) => {
      const value = known.get(offset);
      if (value !== undefined) return value;
      if (readSync(fd, dword, 0, 4, offset) !== 4) return null;
      known.set(offset, dword.readUInt32LE(0));
      return dword.readUInt32LE(0);
    };
    const space: ConfigSpace = {
      size: readable(Math.min(fstatSync(fd).size, PAGE), read),
      u32(offset) {
        const value = read(offset);
        if (value === null) throw Object.assign(new Error(`${path} ends before ${offset}`), { code: "EIO" });
        return value;
      },
    };
    return recordConfig(space);
  } finally {
    closeSync(fd);
  }
}

/** The file claims its whole size to everyone; without privileges the kernel gives 64 bytes, 128 of a CardBus bridge. */
function readable(size: number, read: (offset: number) => number | null): number {
  for (const part of [0x100, 0x80, 0x40]) {
    if (size > part && read(part) !== null) return part === 0x100 ? size : Math.min(size, part * 2);
  }
  return Math.min(size, 64);
}

/**
 * Writes the snapshot as a sysfs below `directory`, which must be empty or not exist, for a scan to read. Safe with a
 * snapshot from anyone that `parseSnapshot` accepted: no link exists before all files are written, so no path can pass
 * through one, and nothing is overwritten. Throws one Error when its names contradict each other.
 */
export function writeTree(snapshot: Snapshot, directory: string): void {
  if (existsSync(directory) && readdirSync(directory).length > 0) {
    throw new Error(`a snapshot is written to an empty directory, and ${directory} is not empty`);
  }
  try {
    write(snapshot, directory);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new Error(`expected a snapshot whose files and links fit into one tree, found: ${why}`, { cause });
  }
}

function write(snapshot: Snapshot, root: string): void {
  const made = new Set<string>();
  const make = (path: string) => {
    if (!made.has(path)) mkdirSync(`${root}/${path}`, { recursive: true });
    made.add(path);
  };
  const file = (path: string, data: string | Uint8Array) => {
    make(dirname(path));
    writeFileSync(`${root}/${path}`, data, { flag: "wx" });
  };
  const links = new Map<string, string>();

  make(DEVICES);
  if (snapshot.drivers) make(DRIVERS);
  for (const name of snapshot.bad_names) if (isPath(name) && !name.includes("/")) make(`${DEVICES}/${name}`);
  for (const [name, address] of Object.entries(snapshot.slots)) file(`${SLOTS}/${name}/address`, `${address}\n`);
  for (const [address, fn] of Object.entries(snapshot.functions)) {
    make(fn.device);
    for (const [name, value] of Object.entries(fn.attributes)) file(`${fn.device}/${name}`, value);
    if (fn.config) file(`${fn.device}/config`, recordedBytes(fn.config));
    for (const [name, path] of Object.entries(fn.links)) links.set(`${fn.device}/${name}`, path);
    if (fn.device !== `${DEVICES}/${address}`) links.set(`${DEVICES}/${address}`, fn.device);
  }
  for (const path of links.values()) make(path);
  for (const [path, to] of links) symlinkSync(posix.relative(dirname(path), to), `${root}/${path}`);
}
