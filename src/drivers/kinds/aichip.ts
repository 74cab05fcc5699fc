import { claimAs } from "../claim.ts";
import type { Kind } from "../kind.ts";

/** AI accelerators. Class 1200, processing accelerator, is one even with ids nobody has published yet. */
export const aichip: Kind = {
  name: "aichip",
  deviceType: "AICHIP",
  claim: claimAs("AICHIP", { classes: ["1200"] }),
};
