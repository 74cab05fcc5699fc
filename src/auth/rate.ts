/** Writes of one caller: far more than a program in order makes, far fewer than a conductor takes. */
const A_SECOND = 50;
const BURST = 200;
const CALLERS = 20_000;

/** Counts what each caller writes (a token bucket each), so that one that has lost its mind does not cost the others. */
export function createRate(monotonic: () => number) {
  const buckets = new Map<string, { left: number; at: number }>();
  return {
    /** Takes one; seconds to wait where there is none left, else null. */
    spend(caller: string): number | null {
      const now = monotonic();
      const bucket = buckets.get(caller) ?? { left: BURST, at: now };
      bucket.left = Math.min(BURST, bucket.left + ((now - bucket.at) / 1000) * A_SECOND);
      bucket.at = now;
      if (!buckets.has(caller) && buckets.size >= CALLERS) buckets.delete(buckets.keys().next().value ?? "");
      buckets.set(caller, bucket);
      if (bucket.left < 1) return (1 - bucket.left) / A_SECOND;
      bucket.left -= 1;
      return null;
    },
  };
}
