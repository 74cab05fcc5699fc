import { json } from "../show/json.ts";
import { yaml } from "../show/yaml.ts";
import { terminal, wrapWidth } from "../table.ts";
import { oneWord } from "../text.ts";
import { columnsOf, tableText } from "./columns.ts";
import type { Flags, Kind, Look } from "./kind.ts";
import { textOf } from "./kind.ts";
import { word } from "./words.ts";

const OUTPUTS = ["table", "wide", "json", "yaml", "name"] as const;
export type Output = (typeof OUTPUTS)[number];

export const OUTPUT_OPTION = [
  "-o, --output <FORMAT>",
  "table, wide (more columns), json, yaml, or name (what other commands take)",
] as const;

/** Throws Exit 2 where it is none of the outputs. */
export const outputOf = (flags: Flags): Output => word("--output", textOf(flags, "output"), OUTPUTS) ?? "table";

export const colours = (): boolean => terminal(process.stdout, process.env).colour;

/** Some terminals, such as those of a serial line, say that they are 0 x 0. */
export const sizeOf = ({ rows, columns }: { rows?: number; columns?: number }) => ({
  height: rows || 24,
  width: columns || 80,
});

/**
 * Lines in the place of what is on a terminal. It breaks none of them: characters may be wider than one column, and a line
 * more would push the first ones off.
 */
export const screenful = (lines: readonly string[]): string =>
  `\x1b[?7l\x1b[H${lines.map((line) => `${line}\x1b[K`).join("\n")}\x1b[J\x1b[?7h`;

/** What stands below rows where there is no room for all. */
export const moreText = (hidden: number): string => `... and ${hidden} more: a taller terminal, or a filter`;

export const plainOf = <T>(kind: Kind<T>, row: T): unknown => (kind.plain ? kind.plain(row) : row);

/** All rows as one text. */
export function render<T>(
  kind: Kind<T>,
  rows: readonly T[],
  { output, look, headings }: { output: Output; look: Look; headings: boolean },
): string {
  const list = () => ({ [kind.name]: rows.map((row) => plainOf(kind, row)) });
  switch (output) {
    case "json":
      return `${json(list(), 2)}\n`;
    case "yaml":
      return yaml(list());
    case "name":
      return rows.map((row) => `${oneWord(`${kind.one}/${kind.handle(row)}`)}\n`).join("");
    default:
      // Headings alone would say that there is something.
      return tableText(columnsOf(kind, output === "wide"), rows, look, {
        headings: headings && rows.length > 0,
        colour: colours(),
        wrap: wrapWidth(),
      });
  }
}
