import { whereBroken } from "./broken.ts";

/**
 * What `sinew snapshot` writes: the files of sysfs that a scan reads, as one JSON document. A field bug becomes a test
 * by writing them back into a directory (snapshot-fs.ts) and scanning that: the code path of a live scan.
 */
export interface Snapshot {
  sinew_snapshot: 1;
  /** RFC 3339, UTC. */
  taken_at: string;
  host: { node_id: string; node_name: string; kernel: string | null };
  /** By address. */
  functions: Record<string, SnapshotFunction>;
  /** Entries of bus/pci/devices that are no PCI address: names only. */
  bad_names: string[];
  /** Whether there is a bus/pci/drivers: then a function without a driver link has no driver. */
  drivers: boolean;
  /** Physical slots: name to address without a function (`0000:3b:00`), as in bus/pci/slots. */
  slots: Record<string, string>;
  /** Versions of the modules that hold the functions' kernel drivers, by driver. */
  driver_versions?: Record<string, string>;
  /** Whether the kernel has IOMMU groups, and which of the firmware's tables describe an IOMMU; null: not to be seen. */
  iommu?: { groups: boolean; tables: string[] | null };
  /** The names database of the host, if wanted. */
  pci_ids?: string;
}

export interface SnapshotFunction {
  /** The function's directory below the sysfs root: `devices/pci0000:00/0000:00:01.0/0000:01:00.0`. */
  device: string;
  /** Attribute files by name, their text as read. */
  attributes: Record<string, string>;
  /** Symbolic links by name, their targets below the sysfs root: `bus/pci/drivers/vfio-pci`. */
  links: Record<string, string>;
  /**
   * Config space as far as decoding needs it, else null: 4 bytes of hex by offset. Others count as zero. `withheld_of`
   * is what the file claimed to have where the kernel showed the recorder, for want of privileges, `size` bytes only.
   */
  config: { size: number; dwords: Record<string, string>; withheld_of?: number } | null;
  /**
   * Files that exist and could not be read: name to errno, such as EIO; ETIMEDOUT for one that did not answer, after
   * which nothing more of its function was read. Absent after writing back.
   */
  unreadable: Record<string, string>;
}

/** Attributes a scan may read whatever the function's power state: the kernel answers them from memory. */
const CACHED =
  /^(vendor|device|class|revision|subsystem_vendor|subsystem_device|resource|numa_node|label|modalias|uevent|acpi_index|index|enable|driver_override|boot_vga|sriov_totalvfs|sriov_numvfs|power\/runtime_status|power\/control|aer_dev_(correctable|nonfatal|fatal)|(virtio\d{1,5}\/)?net\/[\w.@+-]{1,15}\/operstate|drm\/(card|renderD)\d{1,5}\/dev|accel\/accel\d{1,5}\/dev)$/;
/** Those that wake the device or ask it; never opened while it is in runtime suspend. */
const ASKED =
  /^(current_link_speed|current_link_width|max_link_speed|max_link_width|secondary_bus_number|subordinate_bus_number|power_state|mem_info_vram_total|vbios_version|unique_id|serial_number|nvme\/nvme\d{1,5}\/(serial|model|firmware_rev))$/;

/** Tables by which firmware describes an IOMMU: Intel's, AMD's, Arm's (ACPI 6.5, 5.2.6). */
export const IOMMU_TABLES = ["DMAR", "IVRS", "IORT"] as const;
export const IOMMU_GROUPS = "kernel/iommu_groups";
export const ACPI_TABLES = "firmware/acpi/tables";

/** Where a snapshot that is written back keeps `withheld_of`: a file that no sysfs has, beside `config`. */
export const WITHHELD_FILE = "sinew_withheld_of";

/** Whether a snapshot records this attribute: a closed list, so that nothing private gets in by being new. */
export const isAttribute = (name: string) => CACHED.test(name) || ASKED.test(name);
export const wakesDevice = (name: string) => ASKED.test(name);
/** Attributes that name one piece of hardware in the world. VPD, the richest of them, is never read. */
export const isSerial = (name: string) => /(^|\/)(serial|serial_number|unique_id)$/.test(name);
export const isDriverName = (name: string) => /^\w[\w.+-]{0,62}$/.test(name);
const isTable = (name: string) => /^[A-Z0-9]{4}\d{0,3}$/.test(name);
export const isLink = (name: string) => /^(driver|iommu_group|physfn|virtfn\d{1,5})$/.test(name);
export const isAddress = (name: string) => /^[0-9a-f]{4,8}:[0-9a-f]{2}:[01][0-9a-f]\.[0-7]$/.test(name);
export const isSlotName = (name: string) => /^\w[\w.+: -]{0,62}$/.test(name);
/** A relative path in which no segment is `.` or `..`, so that it stays below the root it is joined to. */
export const isPath = (path: string) =>
  path.length <= 1024 && path.split("/").every((part) => /^[\w@][\w.:@,+-]{0,254}$/.test(part));

const MAX_CHARACTERS = 64 * 1024 * 1024;
const MAX_FUNCTIONS = 65_536;
/** A sysfs attribute is at most one page. */
const MAX_ATTRIBUTE = 4096;
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/** Reads a snapshot, which may come from anyone. Throws one Error that names the place, what was expected and found. */
export function parseSnapshot(text: string): Snapshot {
  if (text.length > MAX_CHARACTERS) {
    throw new Error(`a snapshot has at most ${MAX_CHARACTERS} characters, got ${text.length}`);
  }
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (cause) {
    const where = whereBroken(text);
    throw new Error(`expected a snapshot in JSON, found ${where ? `a break at ${where}` : "something else"}`, {
      cause,
    });
  }
  const root = object(json, "the document");
  if (root.sinew_snapshot !== 1)
    throw unexpected("sinew_snapshot", "1, a version this program reads", root.sinew_snapshot);
  const host = object(root.host, "host");
  const bad = root.bad_names ?? [];
  if (!Array.isArray(bad)) throw unexpected("bad_names", "an array", bad);
  return {
    sinew_snapshot: 1,
    taken_at: string(root.taken_at, "taken_at", (value) => /^\d{4}-\d\d-\d\dT[\d:.]{8,20}Z$/.test(value)),
    host: {
      node_id: string(host.node_id, "host.node_id", (value) => UUID.test(value)),
      node_name: string(host.node_name, "host.node_name", (value) => value.length <= 253),
      kernel: host.kernel == null ? null : string(host.kernel, "host.kernel", (value) => value.length <= 255),
    },
    functions: record(root.functions, "functions", isAddress, parseFunction, MAX_FUNCTIONS),
    bad_names: bad.map((name, i) => string(name, `bad_names[${i}]`, (value) => value.length <= 255)),
    drivers: boolean(root.drivers ?? true, "drivers"),
    slots: record(root.slots ?? {}, "slots", isSlotName, (value, at) =>
      string(value, at, (address) => isAddress(`${address.trimEnd()}.0`)),
    ),
    ...(root.driver_versions === undefined
      ? {}
      : {
          driver_versions: record(root.driver_versions, "driver_versions", isDriverName, (text, at) =>
            string(text, at, (version) => version.length <= MAX_ATTRIBUTE),
          ),
        }),
    ...(root.iommu === undefined ? {} : { iommu: parseIommu(root.iommu) }),
    ...(root.pci_ids === undefined ? {} : { pci_ids: string(root.pci_ids, "pci_ids", () => true) }),
  };
}

function parseIommu(value: unknown): NonNullable<Snapshot["iommu"]> {
  const { groups, tables } = object(value, "iommu");
  if (tables !== null && !(Array.isArray(tables) && tables.length <= 256)) {
    throw unexpected("iommu.tables", "at most 256 names or null", tables);
  }
  return {
    groups: boolean(groups, "iommu.groups"),
    tables: tables?.map((name: unknown, i: number) => string(name, `iommu.tables[${i}]`, isTable)) ?? null,
  };
}

function parseFunction(value: unknown, at: string, address: string): SnapshotFunction {
  const fn = object(value, at);
  const config = fn.config == null ? null : object(fn.config, `${at}.config`);
  const size = config?.size;
  if (config && !(typeof size === "number" && Number.isInteger(size) && size >= 0 && size <= 4096)) {
    throw unexpected(`${at}.config.size`, "0 to 4096", size);
  }
  const withheld = config?.withheld_of;
  if (
    withheld !== undefined &&
    !(typeof withheld === "number" && Number.isInteger(withheld) && withheld > Number(size) && withheld <= 4096)
  ) {
    throw unexpected(`${at}.config.withheld_of`, `more than the size, up to 4096`, withheld);
  }
  const inside = (offset: string) => /^[0-9a-f]{3}$/.test(offset) && Number.parseInt(offset, 16) % 4 === 0;
  return {
    device: string(fn.device, `${at}.device`, (path) => isPath(path) && path.endsWith(`/${address}`)),
    attributes: record(fn.attributes, `${at}.attributes`, isAttribute, (text, place) =>
      string(text, place, (attribute) => attribute.length <= MAX_ATTRIBUTE),
    ),
    links: record(fn.links, `${at}.links`, isLink, (target, place) => string(target, place, isPath)),
    config: config && {
      size: Number(size),
      ...(withheld === undefined ? {} : { withheld_of: Number(withheld) }),
      dwords: record(config.dwords, `${at}.config.dwords`, inside, (bytes, place, offset) => {
        if (Number.parseInt(offset, 16) + 4 > Number(size)) throw unexpected(place, `an offset below ${size}`, offset);
        return string(bytes, place, (hex) => /^[0-9a-f]{8}$/.test(hex));
      }),
    },
    unreadable: record(fn.unreadable ?? {}, `${at}.unreadable`, isRecorded, (errno, place) =>
      string(errno, place, (code) => /^[A-Z0-9]{1,20}$/.test(code)),
    ),
  };
}

/** Whether a function's file of that name is part of a snapshot. */
export const isRecorded = (name: string) => name === "config" || isAttribute(name) || isLink(name);

type Json = Record<string, unknown>;

function object(value: unknown, at: string): Json {
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw unexpected(at, "an object", value);
  return { ...value };
}

function string(value: unknown, at: string, valid: (value: string) => boolean): string {
  if (typeof value !== "string" || !valid(value)) throw unexpected(at, "a valid value", value);
  return value;
}

function boolean(value: unknown, at: string): boolean {
  if (typeof value !== "boolean") throw unexpected(at, "true or false", value);
  return value;
}

function record<T>(
  value: unknown,
  at: string,
  valid: (key: string) => boolean,
  parse: (value: unknown, at: string, key: string) => T,
  limit = 4096,
): Record<string, T> {
  const entries = Object.entries(object(value, at));
  if (entries.length > limit) throw unexpected(at, `at most ${limit} entries`, entries.length);
  return Object.fromEntries(
    entries.map(([key, item]) => {
      if (!valid(key)) throw unexpected(at, "known names only", key);
      return [key, parse(item, `${at}[${JSON.stringify(key)}]`, key)];
    }),
  );
}

function unexpected(at: string, expected: string, found: unknown): Error {
  const text = JSON.stringify(found) ?? "nothing";
  return new Error(
    `snapshot, ${at}: expected ${expected}, found ${text.length > 80 ? `${text.slice(0, 80)}...` : text}`,
  );
}
