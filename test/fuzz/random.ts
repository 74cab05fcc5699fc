/** Random choices that follow from a seed, so that what failed can be had again. */
export interface Random {
  /** 0 to `below` - 1. */
  int(below: number): number;
  /** True `percent` times of a hundred. */
  chance(percent: number): boolean;
  pick<T>(of: readonly T[]): T;
  bytes(length: number): Uint8Array<ArrayBuffer>;
}

/** SINEW_TEST_SEED, or another one each time. */
export const seed = Number(process.env.SINEW_TEST_SEED ?? Math.floor(Math.random() * 2 ** 31));

/** By this run's seed, and what it is for. */
export const random = (...purpose: (string | number)[]): Random => randomOf(seed, ...purpose);

/** mulberry32, begun by a hash (FNV-1a) of a seed and what it is for. */
export function randomOf(...seeds: (string | number)[]): Random {
  let state = 0x811c9dc5;
  for (const char of seeds.join("/")) state = Math.imul(state ^ (char.codePointAt(0) ?? 0), 0x01000193);
  const next = () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  const int = (below: number) => Math.floor(next() * below);
  return {
    int,
    chance: (percent) => next() * 100 < percent,
    pick<T>(of: readonly T[]): T {
      if (of.length === 0) throw new RangeError("expected something to pick from, got nothing");
      return of[int(of.length)] as T; // not empty, and int() stays below
    },
    bytes: (length) => Uint8Array.from({ length }, () => int(256)),
  };
}
