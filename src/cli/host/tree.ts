import { existsSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, posix } from "node:path";
import { recordedBytes } from "../../pci/snapshot/config.ts";
import { ACPI_TABLES, IOMMU_GROUPS, isPath, type Snapshot, WITHHELD_FILE } from "../../pci/snapshot/snapshot.ts";

const DEVICES = "bus/pci/devices";
const SLOTS = "bus/pci/slots";
const DRIVERS = "bus/pci/drivers";

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
    if (fn.config?.withheld_of) file(`${fn.device}/${WITHHELD_FILE}`, `${fn.config.withheld_of}\n`);
    for (const [name, path] of Object.entries(fn.links)) links.set(`${fn.device}/${name}`, path);
    if (fn.device !== `${DEVICES}/${address}`) links.set(`${DEVICES}/${address}`, fn.device);
  }
  for (const [name, version] of Object.entries(snapshot.driver_versions ?? {})) {
    file(`${DRIVERS}/${name}/module/version`, version);
  }
  if (snapshot.iommu) {
    make(IOMMU_GROUPS);
    // Functions name their own groups; others may have the only ones.
    if (snapshot.iommu.groups) make(`${IOMMU_GROUPS}/0`);
    for (const name of snapshot.iommu.tables ?? []) file(`${ACPI_TABLES}/${name}`, "");
  }
  for (const path of links.values()) make(path);
  for (const [path, to] of links) symlinkSync(posix.relative(dirname(path), to), `${root}/${path}`);
}
