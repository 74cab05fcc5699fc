import { columns } from "../table.ts";
import { printable } from "../text.ts";

/** A heading with what is below it: names with values, rows of a table, or a line that says why there is nothing. */
export type Section = { heading: string } & (
  | { fields: [name: string, value: string | number | null | undefined][] }
  | { rows: string[][]; none: string }
  | { line: string }
);

/** A description as people read it: fields first, tables with their headings below. */
export const sectionsText = (sections: readonly Section[]): string => sections.map(sectionText).join("\n");

function sectionText(section: Section): string {
  const heading = section.heading === "" ? "" : `${printable(section.heading)}:\n`;
  const indent = heading === "" ? "" : "  ";
  if ("line" in section) return `${heading}${indent}${printable(section.line)}\n`;
  if ("rows" in section) {
    if (section.rows.length < 2) return `${heading}${indent}${printable(section.none)}\n`;
    return `${heading}${columns(section.rows).replace(/^(?=.)/gm, indent)}`;
  }
  // Names of attributes are the agent's words, too.
  const said = section.fields
    .filter(([, value]) => value !== null && value !== undefined && value !== "")
    .map(([name, value]) => [printable(name), printable(String(value))] as const);
  const width = Math.max(...said.map(([name]) => name.length)) + 3;
  return `${heading}${said.map(([name, value]) => `${indent}${`${name}:`.padEnd(width)}${value}\n`).join("")}`;
}
