/** `; did you mean n1 or n2?` of the words that are like the one found, or nothing. */
export function didYouMean(found: string, words: Iterable<string>): string {
  const most = Math.max(1, Math.floor(found.length / 3));
  const near = [...new Set(words)]
    .map((word) => ({ word, far: distance(found.toLowerCase(), word.toLowerCase(), most) }))
    .filter(({ far }) => far <= most)
    .toSorted((a, b) => a.far - b.far || (a.word < b.word ? -1 : 1))
    .slice(0, 3)
    .map(({ word }) => word);
  return near.length === 0 ? "" : `; did you mean ${near.join(" or ")}?`;
}

/** How many characters have to be typed, taken away or replaced; more than `most` is not counted to its end. */
function distance(a: string, b: string, most: number): number {
  if (Math.abs(a.length - b.length) > most) return most + 1;
  let row = Array.from({ length: b.length + 1 }, (_, at) => at);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const swap = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(swap, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? most + 1;
}
