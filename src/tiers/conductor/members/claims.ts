/** Somebody who says to be a node: one run of a machine, and where it calls from. */
export interface Claimant {
  boot: string;
  from: string;
}

export interface Claims {
  /**
   * Somebody says to be this node. Null: nobody else does. Else the two that take turns: a run that another one replaced
   * cannot come back unless both are there.
   */
  claim(node: string, claimant: Claimant): [Claimant, Claimant] | null;
  /** Forgets who claimed it. */
  forget(node: string): void;
}

interface Claimed {
  current: Claimant & { at: number };
  /** Earlier runs, newest last. */
  replaced: Map<string, Claimant & { at: number }>;
  /** A replaced run has come back. */
  contested: boolean;
}

/** Runs remembered by node: an agent that restarts in a loop must not cost memory. */
const REMEMBERED = 8;

/** `windowMs`: how long two claimants stay in conflict after one of them fell silent. */
export function createClaims(monotonic: () => number, windowMs: () => number): Claims {
  const nodes = new Map<string, Claimed>();
  return {
    claim(node, { boot, from }) {
      const now = monotonic();
      const own = { boot, from, at: now };
      const known = nodes.get(node);
      if (!known) {
        nodes.set(node, { current: own, replaced: new Map(), contested: false });
        return null;
      }
      if (boot !== known.current.boot) {
        if (known.replaced.has(boot)) known.contested = true;
        known.replaced.delete(boot);
        known.replaced.set(known.current.boot, known.current);
        if (known.replaced.size > REMEMBERED) known.replaced.delete(known.replaced.keys().next().value ?? "");
      }
      known.current = own;
      if (!known.contested) return null;
      const other = [...known.replaced.values()].filter(({ at }) => now - at < windowMs()).at(-1);
      if (other) return [other, own];
      // The other one is gone: what is left is the node, and what was replaced may not come back either.
      known.contested = false;
      return null;
    },
    forget: (node) => void nodes.delete(node),
  };
}
