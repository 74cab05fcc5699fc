import { claimAs } from "../claim.ts";
import type { Kind } from "../kind.ts";

/** Ethernet (0200), InfiniBand (0207) and other network controllers (0280), DPUs among them. */
export const nic: Kind = {
  name: "nic",
  deviceType: "NIC",
  claim: claimAs("NIC", { classes: ["0200", "0207", "0280"] }),
};
