/** Wrong credentials of one address in a minute; a person who mistypes and a stale script stay below. */
const ALLOWED = 20;
const WINDOW_MS = 60_000;
/** Addresses remembered; the oldest leaves first. */
const ADDRESSES = 10_000;

/** Who is counted as one: an IPv4 address, or the /64 of an IPv6 address, which one machine has to itself. */
export function addressKey(address: string | null): string {
  if (address === null) return "unix";
  if (!address.includes(":")) return address;
  if (address.startsWith("::ffff:")) return address.slice(7);
  const [head = "", tail] = address.split("::");
  const groups = head === "" ? [] : head.split(":");
  const after = tail === undefined || tail === "" ? 0 : tail.split(":").length;
  while (tail !== undefined && groups.length + after < 8) groups.push("0");
  return groups.slice(0, 4).join(":");
}

/** Counts wrong credentials by address. */
export function createAttempts(monotonic: () => number) {
  const counts = new Map<string, { since: number; wrong: number }>();
  return {
    /** Counts one more; seconds to wait where these were too many, else null. */
    wrong(from: string | null): number | null {
      const address = addressKey(from);
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
