import { claimAs } from "../claim.ts";
import type { Kind } from "../kind.ts";

const DRIVERS: Readonly<Record<string, readonly string[]>> = {
  "10de": ["nvidia", "nouveau", "vfio-pci"],
  "1002": ["amdgpu", "radeon", "vfio-pci"],
  "8086": ["i915", "xe", "vfio-pci"],
};

/**
 * Displays and 3D controllers. NVIDIA data-centre cards are 0302, but V100 DGXS and GB10 are 0300; Instinct up to MI250
 * and Intel Flex and Max are 0380. The displays of management controllers and hypervisors are excluded by id.
 */
export const gpu: Kind = {
  name: "gpu",
  deviceType: "GPU",
  claim: claimAs("GPU", {
    classes: ["0300", "0302", "0380"],
    classDrivers: (fn) => DRIVERS[fn.vendor_id] ?? [],
  }),
};
