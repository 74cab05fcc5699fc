/** Troubles that have been there, or have been over, not for long enough yet; by the monotonic clock of whoever sees them. */
export interface Holds {
  /** How long this trouble has been so; begins to count where it was not, or was otherwise. */
  since(fingerprint: string, of: { node: string; present: boolean; forMs: number }): number;
  forget(fingerprint: string): void;
  /** Fingerprints that are held of a node. */
  ofNode(node: string): string[];
  /** Nodes of which a hold has ended. */
  due(): string[];
}

export function createHolds(monotonic: () => number): Holds {
  const held = new Map<string, { node: string; present: boolean; at: number; until: number }>();
  const byNode = new Map<string, Set<string>>();

  function forget(fingerprint: string) {
    const known = held.get(fingerprint);
    if (!known) return;
    held.delete(fingerprint);
    const own = byNode.get(known.node);
    own?.delete(fingerprint);
    if (own?.size === 0) byNode.delete(known.node);
  }

  return {
    since(fingerprint, { node, present, forMs }) {
      const now = monotonic();
      const known = held.get(fingerprint);
      if (known?.present === present) return now - known.at;
      forget(fingerprint);
      held.set(fingerprint, { node, present, at: now, until: now + forMs });
      const own = byNode.get(node) ?? new Set();
      byNode.set(node, own.add(fingerprint));
      return 0;
    },
    forget,
    ofNode: (node) => [...(byNode.get(node) ?? [])],
    due() {
      const now = monotonic();
      const nodes = new Set<string>();
      for (const { node, until } of held.values()) if (until <= now) nodes.add(node);
      return [...nodes];
    },
  };
}
