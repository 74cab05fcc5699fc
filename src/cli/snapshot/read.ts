import { closeSync, existsSync, fstatSync, openSync, readdirSync, readFileSync, readlinkSync, readSync } from "node:fs";
import { dirname, posix } from "node:path";
import type { ConfigSpace } from "../../pci/config/space.ts";
import { recordConfig } from "../../pci/snapshot/config.ts";
import type { Snapshot, SnapshotFunction } from "../../pci/snapshot/snapshot.ts";
import {
  ACPI_TABLES,
  IOMMU_GROUPS,
  IOMMU_TABLES,
  isAddress,
  isAttribute,
  isDriverName,
  isLink,
  isPath,
  isSlotName,
  WITHHELD_FILE,
  wakesDevice,
} from "../../pci/snapshot/snapshot.ts";

const DEVICES = "bus/pci/devices";
const SLOTS = "bus/pci/slots";
const DRIVERS = "bus/pci/drivers";
/** One page, which sysfs never exceeds. */
const PAGE = 4096;

/** What a snapshot says besides what is in sysfs. */
export type About = Pick<Snapshot, "taken_at" | "host">;

/** How a reader is watched, which a file that does not answer stops for ever. */
export interface Watch {
  /** Functions that are not touched. */
  skip?: ReadonlySet<string>;
  /** Called before a file is touched; `address` is null for the bus itself. */
  onFile?: (address: string | null, file: string) => void;
  /** Called with what is known of a function, when more of it is and before the files that ask the device. */
  onKnown?: (address: string, fn: SnapshotFunction) => void;
}

/** Reads what a scan would from the sysfs at `sysfs`, as gently as a scan: sleeping devices are not woken, VPD not read. */
export function readTree(sysfs: string, about: About, watch: Watch = {}): Snapshot {
  const names = list(`${sysfs}/${DEVICES}`);
  const slots: Snapshot["slots"] = {};
  for (const name of list(`${sysfs}/${SLOTS}`)) {
    const file = `${SLOTS}/${name}/address`;
    watch.onFile?.(null, file);
    const address = attempt(() => text(`${sysfs}/${file}`).trimEnd());
    if (isSlotName(name) && typeof address === "string" && isAddress(`${address}.0`)) slots[name] = address;
  }
  const read = names.filter((name) => isAddress(name) && !watch.skip?.has(name));
  return {
    sinew_snapshot: 1,
    ...about,
    functions: Object.fromEntries(read.map((name) => [name, readFunction(sysfs, name, watch)])),
    bad_names: names.filter((name) => !isAddress(name)),
    drivers: existsSync(`${sysfs}/${DRIVERS}`),
    slots,
    ...hostOf(sysfs, watch),
  };
}

/** What functions have in common: versions of their drivers, and the state of the IOMMU. */
function hostOf(sysfs: string, { onFile }: Watch): Pick<Snapshot, "driver_versions" | "iommu"> {
  const versions: Record<string, string> = {};
  for (const name of list(`${sysfs}/${DRIVERS}`).filter(isDriverName)) {
    const file = `${DRIVERS}/${name}/module/version`;
    onFile?.(null, file);
    const version = attempt(() => text(`${sysfs}/${file}`));
    if (typeof version === "string") versions[name] = version;
  }
  const groups = list(`${sysfs}/${IOMMU_GROUPS}`).length > 0;
  const tables = list(`${sysfs}/${ACPI_TABLES}`);
  // Of the firmware's tables only those that tell of an IOMMU, and one that tells that there are tables.
  const told = tables.filter((name) => name === "FACP" || IOMMU_TABLES.some((table) => table === name));
  return {
    ...(Object.keys(versions).length > 0 ? { driver_versions: versions } : {}),
    ...(existsSync(`${sysfs}/${IOMMU_GROUPS}`) ? { iommu: { groups, tables: tables.length > 0 ? told : null } } : {}),
  };
}

function readFunction(sysfs: string, address: string, { onFile, onKnown }: Watch): SnapshotFunction {
  const listed = `${DEVICES}/${address}`;
  onFile?.(address, "directory");
  const place = attempt(() => target(sysfs, listed));
  const device = typeof place === "string" && place.endsWith(`/${address}`) ? place : listed;
  const directory = `${sysfs}/${listed}`;
  const fn: SnapshotFunction = { device, attributes: {}, links: {}, config: null, unreadable: {} };
  const keep = <T>(name: string, read: () => T): T | null => {
    onFile?.(address, name);
    const value = attempt(read);
    if (!(value instanceof Failure)) return value;
    if (value.code !== "ENOENT") fn.unreadable[name] = value.code;
    return null;
  };
  const attribute = (name: string) => {
    const value = keep(name, () => text(`${directory}/${name}`));
    if (value !== null) fn.attributes[name] = value;
  };

  const names = files(directory);
  for (const name of names.filter(isLink)) {
    const path = keep(name, () => target(sysfs, `${listed}/${name}`, device));
    if (path !== null) fn.links[name] = path;
  }
  onKnown?.(address, fn);
  // What it is comes first: should another file hang, this much is known.
  for (const name of names.filter((name) => IDS.has(name))) attribute(name);
  onKnown?.(address, fn);
  for (const name of names.filter((name) => isAttribute(name) && !IDS.has(name) && !wakesDevice(name))) attribute(name);
  onKnown?.(address, fn);
  if (!fn.attributes["power/runtime_status"]?.startsWith("suspend")) {
    for (const name of names.filter(wakesDevice)) attribute(name);
    if (names.includes("config")) fn.config = keep("config", () => readConfig(directory));
  }
  fn.attributes = Object.fromEntries(Object.entries(fn.attributes).sort(([a], [b]) => (a < b ? -1 : 1)));
  return fn;
}

const IDS = new Set(["vendor", "device", "class", "subsystem_vendor", "subsystem_device"]);

const NET = ["operstate"];
/** What is recorded of what a kernel driver made below a function, by directory. */
const NESTED: Readonly<Record<string, readonly string[]>> = {
  nvme: ["serial", "model", "firmware_rev"],
  net: NET,
  drm: ["dev"],
  accel: ["dev"],
};

/** Names in a function's directory, and the nested ones that are recorded. */
function files(directory: string): string[] {
  const own = list(directory);
  const virtio = own.filter((name) => /^virtio\d+$/.test(name)).map((name) => `${name}/net`);
  const inside = [...Object.keys(NESTED), ...virtio].flatMap((folder) =>
    list(`${directory}/${folder}`).flatMap((name) =>
      (NESTED[folder] ?? NET).map((attribute) => `${folder}/${name}/${attribute}`),
    ),
  );
  return [...own, "power/runtime_status", "power/control", ...inside];
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

function readConfig(directory: string): SnapshotFunction["config"] {
  const path = `${directory}/config`;
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
    const claimed = Math.min(fstatSync(fd).size, PAGE);
    const space: ConfigSpace = {
      size: readable(claimed, read),
      u32(offset) {
        const value = read(offset);
        if (value === null) throw Object.assign(new Error(`${path} ends before ${offset}`), { code: "EIO" });
        return value;
      },
    };
    const config = recordConfig(space);
    const withheld_of = space.size < claimed ? claimed : withheldBefore(directory);
    return withheld_of === null ? config : { ...config, withheld_of };
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

/** In a snapshot that was written back the fact is in a file of its own. */
function withheldBefore(directory: string): number | null {
  const size = attempt(() => Number(readFileSync(`${directory}/${WITHHELD_FILE}`, "utf8")));
  return typeof size === "number" && Number.isInteger(size) && size > 64 && size <= PAGE ? size : null;
}
