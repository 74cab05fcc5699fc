import { type Ids, identify } from "./ids.ts";
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

/** A function's kind, and what that kind says of it. */
export interface Classified {
  kind: Kind;
  claim: Claim;
}

/**
 * The one kind that claims a function; null for the rest, which are no accelerators or not known to be. A VF whose own
 * ids nobody has listed is of its PF's kind: its class is often a vague one.
 */
export function classify(fn: Ids, siblings: readonly Ids[] = []): Classified | null {
  const own = claimed(fn, siblings);
  const pf = fn.pf_ids;
  if (!pf || identify(fn)) return own;
  const above = claimed({
    vendor_id: pf.vendor_id,
    device_id: pf.device_id,
    class: pf.class,
    address: "",
    sriov: null,
  });
  if (!above || above.kind === own?.kind) return own;
  return { kind: above.kind, claim: { name: null, num: 0, kernelDrivers: [] } };
}

function claimed(fn: Ids, siblings: readonly Ids[] = []): Classified | null {
  for (const kind of kinds) {
    const claim = kind.claim(fn, siblings);
    if (claim) return { kind, claim };
  }
  return null;
}
