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

/** The kind of each ids and class asked about so far. */
const kindOf = new Map<string, Kind | null>();
/** More than any machine has; dumps of many machines can pass through one process. */
const MOST = 4096;

// Whether a kind claims a function follows from ids and class alone; only what it says of it can depend on more.
function claimed(fn: Ids, siblings: readonly Ids[] = []): Classified | null {
  const key = `${fn.vendor_id}:${fn.device_id}:${fn.class}`;
  let kind = kindOf.get(key);
  if (kind === undefined) {
    kind = kinds.find((one) => one.claim(fn, siblings) !== null) ?? null;
    if (kindOf.size >= MOST) kindOf.clear();
    kindOf.set(key, kind);
  }
  const claim = kind?.claim(fn, siblings);
  return kind && claim ? { kind, claim } : null;
}
