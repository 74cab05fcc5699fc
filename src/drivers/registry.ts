import type { Ids } from "./ids.ts";
import type { Claim, Kind } from "./kind.ts";
import { aichip } from "./kinds/aichip.ts";
import { crypto } from "./kinds/crypto.ts";
import { dsa } from "./kinds/dsa.ts";
import { fec } from "./kinds/fec.ts";
import { fpga } from "./kinds/fpga.ts";
import { gpu } from "./kinds/gpu.ts";
import { nic } from "./kinds/nic.ts";
import { ssd } from "./kinds/ssd.ts";

/** Every kind there is, in the order people read them. */
export const kinds: readonly Kind[] = [gpu, fpga, crypto, aichip, nic, ssd, dsa, fec];

/** The one kind that claims a function; null for the rest, which are no accelerators or not known to be. */
export function classify(fn: Ids, siblings: readonly Ids[] = []): { kind: Kind; claim: Claim } | null {
  for (const kind of kinds) {
    const claim = kind.claim(fn, siblings);
    if (claim) return { kind, claim };
  }
  return null;
}
