/** A column narrower than that is no reading: what is to stand in it stands below its row, so far from the left. */
export const LEAST = 24;
const BELOW = 4;

/** The lines of a text of so many characters at most, broken between words; a longer word is broken itself. */
export function wrapped(text: string, most: number): string[] {
  const width = Math.max(1, most);
  const lines: string[] = [];
  let line: string[] = [];
  for (const word of text.split(/(?<=\S)(?= )/)) {
    let rest = [...word];
    if (line.length > 0 && line.length + rest.length > width) {
      lines.push(line.join(""));
      line = [];
      rest = [...word.trimStart()];
    }
    let at = 0;
    for (; line.length + rest.length - at > width; at += width) lines.push(rest.slice(at, at + width).join(""));
    line.push(...rest.slice(at));
  }
  return [...lines, line.join("")];
}

/**
 * What is last in a line that `before` characters of others begin, on a terminal of this width: in lines below each other,
 * or, where there is no room beside the others, below them.
 */
export function hanging(text: string, before: number, width: number): string {
  const room = width - before;
  // Nothing to say takes no line of its own.
  if (room < 1 && text === "-") return "";
  if ([...text].length <= room) return text;
  const beside = room >= LEAST;
  const indent = " ".repeat(beside ? before : BELOW);
  const lines = wrapped(text, width - indent.length);
  return `${beside ? "" : `\n${indent}`}${lines.join(`\n${indent}`)}`;
}
