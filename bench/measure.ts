/** The middle, and the ends that say how far to trust it. */
export interface Spread {
  median: number;
  min: number;
  max: number;
}

export function spread(values: readonly number[]): Spread {
  const sorted = [...values].sort((a, b) => a - b);
  const half = sorted.length >> 1;
  const upper = sorted[half] ?? Number.NaN;
  const median = sorted.length % 2 === 1 ? upper : ((sorted[half - 1] ?? Number.NaN) + upper) / 2;
  return { median, min: sorted[0] ?? Number.NaN, max: sorted.at(-1) ?? Number.NaN };
}

/** What is to be reached: by the figure itself, or by its ratio to what it is compared with. */
export interface Target {
  of: "ours" | "ratio";
  limit: "at most" | "at least";
  value: number;
}

export interface Row {
  what: string;
  unit: string;
  ours: Spread | null;
  /** What it is compared with. */
  against: string | null;
  theirs: Spread | null;
  /** Ours over theirs, round by round: what a noisy machine can't move as far as it moves either figure. */
  ratio: Spread | null;
  target: Target | null;
  /** Why there is no figure, or how it is to be read. */
  note: string | null;
}

export const row = (given: Partial<Row> & Pick<Row, "what" | "unit">): Row => ({
  ours: null,
  against: null,
  theirs: null,
  ratio: null,
  target: null,
  note: null,
  ...given,
});

/** null: nothing was measured, or nothing was promised. */
export function met({ target, ours, ratio }: Row): boolean | null {
  const reached = target && (target.of === "ours" ? ours : ratio)?.median;
  if (!target || reached === undefined || reached === null) return null;
  return target.limit === "at most" ? reached <= target.value : reached >= target.value;
}

/** Runs A B A B...: what slows the machine down for a while slows both. The first of each warms up and is not counted. */
export async function alternate<T>(
  rounds: number,
  ours: () => Promise<T>,
  theirs: () => Promise<T>,
): Promise<[T, T][]> {
  await ours();
  await theirs();
  const pairs: [T, T][] = [];
  for (let round = 0; round < rounds; round++) pairs.push([await ours(), await theirs()]);
  return pairs;
}

/** A row from rounds of both sides. */
export function compared(given: Partial<Row> & Pick<Row, "what" | "unit">, pairs: readonly [number, number][]): Row {
  return row({
    ...given,
    ours: spread(pairs.map(([ours]) => ours)),
    theirs: spread(pairs.map(([, theirs]) => theirs)),
    ratio: spread(pairs.map(([ours, theirs]) => ours / theirs)),
  });
}

/** One line, for what a program prints about itself. */
export const excerpt = (text: string) => text.trim().split("\n").slice(0, 2).join(" / ").slice(0, 200);
