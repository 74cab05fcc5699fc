import { claimAs } from "../claim.ts";
import type { Kind } from "../kind.ts";

/**
 * Crypto and compression offload. Only class 1000 says so by itself: 1080 is also the security processor of every AMD
 * die, and 0b40 (co-processor) can be anything, so QuickAssist is known by its ids.
 */
export const crypto: Kind = {
  name: "crypto",
  deviceType: "CRYPTO",
  claim: claimAs("CRYPTO", { classes: ["1000"] }),
  capability: ({ algorithms }) => (algorithms === null ? {} : { algorithms }),
};
