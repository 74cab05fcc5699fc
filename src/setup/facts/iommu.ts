import type { IommuFacts } from "./facts.ts";
import { attribute, contents, exists, names } from "./tree.ts";

/** Boot parameters that switch an IOMMU off (kernel-parameters.txt). */
const OFF = ["intel_iommu=off", "amd_iommu=off", "iommu=off", "acpi=off"];

/** What the host says of its IOMMU. Cheap, and blocks on no device. */
export function readIommu({ sysfs, proc }: { sysfs: string; proc: string }): IommuFacts {
  const tables = `${sysfs}/firmware/acpi/tables`;
  const cpu = contents(`${proc}/cpuinfo`)?.slice(0, 4096) ?? "";
  const parameters = (attribute(`${proc}/cmdline`) ?? "").split(" ");
  return {
    table: (["DMAR", "IVRS", "IORT"] as const).find((name) => exists(`${tables}/${name}`)) ?? null,
    groups: names(`${sysfs}/kernel/iommu_groups`).length,
    offBy: parameters.find((one) => OFF.includes(one)) ?? null,
    unsafe: attribute(`${sysfs}/module/vfio/parameters/enable_unsafe_noiommu_mode`) === "Y",
    vendor: cpu.includes("GenuineIntel") ? "Intel" : cpu.includes("AuthenticAMD") ? "AMD" : null,
  };
}
