import { claimAs } from "../claim.ts";
import type { Kind } from "../kind.ts";

/** Forward error correction cards for radio access networks: class 1200 like any other, so known by id only. */
export const fec: Kind = { name: "fec", deviceType: "FEC", claim: claimAs("FEC") };
