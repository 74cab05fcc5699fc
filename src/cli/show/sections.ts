import { columns } from "../table.ts";
import { printable } from "../text.ts";
import { hanging } from "./wrap.ts";

/** A heading with what is below it: names with values, rows of a table, or a line that says why there is nothing. */
export type Section = { heading: string } & (
  | { fields: [name: string, value: string | number | null | undefined][] }
  | { rows: string[][]; none: string }
  | { line: string }
);

/** A description as people read it: fields first, tables with their headings below. */
export const sectionsText = (sections: readonly Section[], wrap?: number): string =>
  sections.map((section) => sectionText(section, wrap)).join("\n");

/** `wrap`: as wide as the terminal is. */
function sectionText(section: Section, wrap?: number): string {
  const heading = section.heading === "" ? "" : `${printable(section.heading)}:\n`;
  const indent = heading === "" ? "" : "  ";
  if ("line" in section) return `${heading}${indent}${printable(section.line)}\n`;
  if ("rows" in section) {
    if (section.rows.length < 2) return `${heading}${indent}${printable(section.none)}\n`;
    const inside = wrap === undefined ? {} : { wrap: wrap - indent.length };
    return `${heading}${columns(section.rows, inside).replace(/^(?=.)/gm, indent)}`;
  }
  // Names of attributes are the agent's words, too.
  const said = section.fields
    .filter(([, value]) => value !== null && value !== undefined && value !== "")
    .map(([name, value]) => [printable(name), printable(String(value))] as const);
  const width = Math.max(...said.map(([name]) => name.length)) + 3;
  const shown = (value: string) => (wrap === undefined ? value : hanging(value, indent.length + width, wrap));
  return `${heading}${said.map(([name, value]) => `${indent}${`${name}:`.padEnd(width)}${shown(value)}\n`).join("")}`;
}
