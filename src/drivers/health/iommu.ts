import type { IommuState, PciFunction } from "../../pci/function.ts";
import type { Said } from "./said.ts";

/** Whether an IOMMU guards the function's accesses to memory, which handing it to a guest takes; other uses do without. */
export function iommuReady({ iommu, iommu_group: group }: Pick<PciFunction, "iommu" | "iommu_group">): Said {
  const type = "IommuReady";
  if (group !== null) {
    return { type, status: "true", reason: "InGroup", message: `it is in IOMMU group ${group}`, action: null };
  }
  if (iommu === null) {
    const message = "a recording without the host's IOMMU groups does not tell";
    return { type, status: "unknown", reason: "NotObservable", message, action: null };
  }
  return { type, status: "false", ...WHY[iommu.state](iommu) };
}

const FIRMWARE =
  "Switch on VT-d (Intel), AMD-Vi or the SMMU in the firmware's settings and reboot; a virtual machine has to be given one";

const WHY: Record<IommuState["state"], (iommu: IommuState) => Pick<Said, "reason" | "message" | "action">> = {
  absent: () => ({
    reason: "NoIommu",
    message: "the firmware's tables show no IOMMU (no DMAR, IVRS or IORT)",
    action: FIRMWARE,
  }),
  off: ({ table, parameter }) => ({
    reason: "IommuOff",
    message: `the firmware has an IOMMU (${table}), and the kernel has 0 groups${parameter ? `: ${parameter} is on its command line` : ""}`,
    action: parameter
      ? `Take ${parameter} off the kernel's command line and reboot`
      : `Put ${table === "IVRS" ? "amd_iommu=on" : "intel_iommu=on"} on the kernel's command line and reboot; dmesg has why it is off`,
  }),
  groups: () => ({
    reason: "NoGroup",
    message: "the kernel has IOMMU groups, and this function is in none",
    action: "Look in dmesg for what the IOMMU says of this address; it cannot be handed to a guest",
  }),
  untold: () => ({
    reason: "NoGroups",
    message: "the kernel has 0 IOMMU groups, and the firmware's tables cannot be seen from here",
    action: `${FIRMWARE}. If it is on, look for iommu=off on the kernel's command line`,
  }),
};
