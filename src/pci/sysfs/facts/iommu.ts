import type { IommuState } from "../../function.ts";
import { ACPI_TABLES, IOMMU_GROUPS, IOMMU_TABLES } from "../../snapshot/snapshot.ts";
import { SysfsError, type SysfsReader } from "../reader.ts";

/**
 * Three states that need three remedies: groups; no groups though the firmware has an IOMMU; no IOMMU in the firmware's
 * tables. `untold`: no groups, and the tables can't be seen, as in most containers. Null where the tree shows neither.
 * `commandLine` gives the kernel's, null where it is not this host's.
 */
export function readIommu(reader: SysfsReader, sysfs: string, commandLine: () => string | null): IommuState | null {
  const groups = namesIn(reader, `${sysfs}/${IOMMU_GROUPS}`);
  const none = { table: null, parameter: null };
  if (groups !== null && groups.length > 0) return { ...none, state: "groups" };
  const tables = namesIn(reader, `${sysfs}/${ACPI_TABLES}`);
  // An empty directory is one that a container has laid over: every firmware with ACPI has tables.
  if (tables === null || tables.length === 0) return groups === null ? null : { ...none, state: "untold" };
  const table = IOMMU_TABLES.find((name) => tables.includes(name)) ?? null;
  if (table === null) return { ...none, state: "absent" };
  return { state: "off", table, parameter: switchedOffBy(commandLine() ?? "") };
}

/** `intel_iommu=off`, `amd_iommu=off` or `iommu=off`, alone or among other values, of a kernel's command line. */
export function switchedOffBy(commandLine: string): string | null {
  const words = commandLine.slice(0, 4096).split(/\s+/);
  return words.find((word) => /^(intel_iommu|amd_iommu|iommu)=([\w-]+,)*off(,[\w-]+)*$/.test(word)) ?? null;
}

function namesIn(reader: SysfsReader, path: string): string[] | null {
  const directory = reader.openRoot(path);
  if (directory < 0) return null;
  try {
    return reader.list(directory, path);
  } catch (error) {
    // What can't be listed shows nothing, as if it were not there.
    if (!(error instanceof SysfsError)) throw error;
    return null;
  } finally {
    reader.close(directory);
  }
}
