/** Wrong credentials of one address in a minute; a person who mistypes and a stale script stay below. */
const ALLOWED = 20;
const WINDOW_MS = 60_000;
/** Addresses remembered; the oldest leaves first. */
const ADDRESSES = 10_000;

/** Counts wrong credentials by address. */
export function createAttempts(monotonic: () => number) {
  const counts = new Map<string, { since: number; wrong: number }>();
  return {
    /** Counts one more; seconds to wait where these were too many, else null. */
    wrong(address: string): number | null {
      const now = monotonic();
      let entry = counts.get(address);
      if (!entry || now - entry.since >= WINDOW_MS) {
        entry = { since: now, wrong: 0 };
        counts.delete(address);
        counts.set(address, entry);
        if (counts.size > ADDRESSES) counts.delete(counts.keys().next().value ?? "");
      }
      entry.wrong += 1;
      return entry.wrong > ALLOWED ? Math.ceil((entry.since + WINDOW_MS - now) / 1000) : null;
    },
  };
}
