import { met, type Row, type Spread } from "./measure.ts";

/** Markdown that also reads well on a terminal: docs/performance.md is made of it. */
export function table(rows: readonly Row[]): string {
  const head = ["what", "sinew", "compared with", "", "ratio", "target", ""];
  const cells = rows.map((row) => [
    row.what,
    row.ours ? figure(row.ours, row.unit) : "-",
    row.against ?? "",
    row.theirs ? figure(row.theirs, row.unit) : row.against ? "-" : "",
    row.ratio ? `${number(row.ratio.median)} (${number(row.ratio.min)}-${number(row.ratio.max)})` : "",
    targetOf(row),
    verdict(row),
  ]);
  const widths = head.map((title, column) => Math.max(title.length, ...cells.map((line) => line[column]?.length ?? 0)));
  const print = (line: string[]) => `| ${line.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(" | ")} |`;
  const rule = `|${widths.map((width) => "-".repeat(width + 2)).join("|")}|`;
  const notes = rows.filter(({ note }) => note !== null).map(({ what, note }) => `- ${what}: ${note}`);
  return [print(head), rule, ...cells.map(print), ...(notes.length > 0 ? ["", ...notes] : [])].join("\n");
}

const figure = ({ median, min, max }: Spread, unit: string) =>
  min === max ? `${number(median)} ${unit}` : `${number(median)} ${unit} (${number(min)}-${number(max)})`;

/** Three digits: a noisy machine gives no more. */
const number = (value: number) =>
  value >= 100 ? Math.round(value).toString() : value >= 10 ? value.toFixed(1) : value.toFixed(2);

const targetOf = ({ target, unit }: Row) =>
  target ? `${target.limit} ${target.value}${target.of === "ratio" ? "x" : ` ${unit}`}` : "";

function verdict(row: Row): string {
  const reached = met(row);
  return reached === null ? "" : reached ? "met" : "MISSED";
}
