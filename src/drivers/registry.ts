import { aichip } from "./aichip.ts";
import { crypto } from "./crypto.ts";
import { dsa } from "./dsa.ts";
import { fec } from "./fec.ts";
import { fpga } from "./fpga.ts";
import { gpu } from "./gpu.ts";
import type { Ids } from "./ids.ts";
import type { Claim, Kind } from "./kind.ts";
import { nic } from "./nic.ts";
import { ssd } from "./ssd.ts";

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
