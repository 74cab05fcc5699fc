import type { DeviceType } from "../contract/hardware.ts";
import { type Identity, type Ids, identify } from "./ids.ts";
import type { Claim } from "./kind.ts";

/** What a kind knows by itself; the id tables know the rest. */
export interface ClaimRules {
  /** Class and subclass (four digits) that make a function of this kind when its ids say nothing. */
  classes?: readonly string[];
  /** Kernel drivers of a function known by its class only. */
  classDrivers?(fn: Ids): readonly string[];
  /** What it adds to the count of cards where that depends on its siblings; not asked about VFs and companions. */
  count?(fn: Ids, siblings: readonly Ids[]): number;
}

/**
 * Claims what the ids say is of this type and, where the ids say nothing, what the class says. Every kind asks the same
 * tables, and no two list one class, so no two can claim one function.
 */
export function claimAs(deviceType: DeviceType, rules: ClaimRules = {}) {
  return (fn: Ids, siblings: readonly Ids[] = []): Claim | null => {
    const known = identify(fn);
    const mine = known ? known.deviceType === deviceType : rules.classes?.includes(fn.class.slice(0, 4));
    if (!mine) return null;
    const partOfCard = isVf(fn, known) || known?.role === "companion";
    return {
      name: known?.name ?? null,
      num: partOfCard ? 0 : (rules.count?.(fn, siblings) ?? 1),
      kernelDrivers: known?.drivers ?? rules.classDrivers?.(fn) ?? [],
    };
  };
}

/** The PF it belongs to proves a VF; where no PF is visible (in a guest) the id can still say so. */
export function isVf(fn: Ids, known: Identity | undefined = identify(fn)): boolean {
  return fn.sriov?.pf != null || known?.role === "vf";
}
