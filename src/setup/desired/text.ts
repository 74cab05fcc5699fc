/**
 * The line, from 1, at which a parser gives a text up, or the one beside it: no parser of ours tells. What it says of a
 * text it says of any beginning that goes so far. Null where it is not looked for.
 */
export function lineOfFailure(text: string, parse: (text: string) => unknown): number | null {
  // What aliases multiply can be worse in a beginning than in the whole, which is refused for it.
  if (/[&*]/.test(text)) return null;
  const lines = text.split("\n");
  const failure = (count: number) => {
    try {
      parse(lines.slice(0, count).join("\n"));
      return null;
    } catch (error) {
      return error instanceof Error ? error.message : String(error);
    }
  };
  const whole = failure(lines.length);
  let [before, at] = [0, lines.length];
  while (at - before > 1) {
    const middle = (before + at) >> 1;
    if (failure(middle) === whole) at = middle;
    else before = middle;
  }
  return at;
}

/** A comment, a quoted text, or a bare word; with the colon that makes a key of it, where one follows. */
const TOKEN =
  /(?<=^|\s)#.*|(?<![^\s{[,:])(?:"((?:\\.|[^"\\])*)"|'((?:[^']|'')*)')(\s*:)?|(?<![^\s{[,])([a-z_]+)\s*:(?=\s|$)/gm;

/**
 * Keys that are written more often than the document has them, each with its lines: JSON and YAML keep the last of two
 * in one place and say nothing, so that a rule would be lost. Where YAML has an alias fewer are found, never more.
 */
export function repeatedKeys(text: string, document: unknown): { key: string; lines: number[] }[] {
  const written = new Map<string, number[]>();
  for (const { index, 1: double, 2: single, 3: colon, 4: bare } of text.matchAll(TOKEN)) {
    const key = bare ?? (colon === undefined ? undefined : (double ?? single));
    if (key === undefined) continue;
    written.set(key, [...(written.get(key) ?? []), text.slice(0, index).split("\n").length]);
  }
  const kept = new Map<string, number>();
  const count = (value: unknown): void => {
    if (typeof value !== "object" || value === null) return;
    for (const [key, inner] of Object.entries(value)) {
      if (!Array.isArray(value)) kept.set(key, (kept.get(key) ?? 0) + 1);
      count(inner);
    }
  };
  count(document);
  return [...written].flatMap(([key, lines]) => (lines.length > (kept.get(key) ?? 0) ? [{ key, lines }] : []));
}
