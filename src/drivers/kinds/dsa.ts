import { claimAs } from "../claim.ts";
import type { Kind } from "../kind.ts";

/**
 * Data movers. Intel's have class 0880, shared with hundreds of uncore functions, so they are known by id; 1201 is the
 * class of SDXI, the standard for such devices.
 */
export const dsa: Kind = {
  name: "dsa",
  deviceType: "DSA",
  claim: claimAs("DSA", { classes: ["1201"] }),
};
