import { claimAs } from "../claim.ts";
import type { Kind } from "../kind.ts";

/** Non-volatile memory controllers: programming interface 02 is NVMe, which the kernel's nvme binds by class. */
export const ssd: Kind = {
  name: "ssd",
  deviceType: "SSD",
  claim: claimAs("SSD", {
    classes: ["0108"],
    classDrivers: (fn) => (fn.class === "010802" ? ["nvme", "vfio-pci"] : []),
  }),
};
