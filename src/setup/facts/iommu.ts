import { ACPI_TABLES, IOMMU_GROUPS, IOMMU_TABLES } from "../../pci/snapshot/snapshot.ts";
import { switchedOffBy } from "../../pci/sysfs/facts/iommu.ts";
import type { IommuFacts } from "./facts.ts";
import { attribute, contents, exists, names } from "./tree.ts";

/** What the host says of its IOMMU. Cheap, and blocks on no device. */
export function readIommu({ sysfs, proc }: { sysfs: string; proc: string }): IommuFacts {
  const cpu = contents(`${proc}/cpuinfo`)?.slice(0, 4096) ?? "";
  const commandLine = attribute(`${proc}/cmdline`) ?? "";
  return {
    told: names(`${sysfs}/${ACPI_TABLES}`).length > 0,
    table: IOMMU_TABLES.find((name) => exists(`${sysfs}/${ACPI_TABLES}/${name}`)) ?? null,
    groups: names(`${sysfs}/${IOMMU_GROUPS}`).length,
    offBy: switchedOffBy(commandLine) ?? (commandLine.split(" ").includes("acpi=off") ? "acpi=off" : null),
    unsafe: attribute(`${sysfs}/module/vfio/parameters/enable_unsafe_noiommu_mode`) === "Y",
    vendor: cpu.includes("GenuineIntel") ? "Intel" : cpu.includes("AuthenticAMD") ? "AMD" : null,
  };
}
