import type { IdGroup } from "../ids.ts";

/**
 * NVMe drives are known by class; the rows here only give a name to one whose class says the same.
 */
export const ssdIds: readonly IdGroup[] = [
  {
    source: "observed: hwloc 32em64t mic machine",
    drivers: ["nvme", "vfio-pci"],
    ids: [["8086:0953", "PCIe Data Center SSD"]],
  },
];
