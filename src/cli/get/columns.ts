import { age } from "../show/age.ts";
import { columns as aligned } from "../table.ts";
import type { Column, Kind, Look } from "./kind.ts";

/** What is well, what is to be looked at, and what is bad: by the first word of a status. */
const COLOURS: [number, RegExp][] = [
  [33, /,Cordoned$/],
  [32, /^(Ready|LIVE|OK|SUCCEEDED|resolved)\b/],
  [31, /^(NotReady|Gone|LOST|CONFLICT|INCOMPATIBLE|NEVER|FAILED|firing)\b/],
  [33, /^(Stale|LATE|STALE|PARTIAL|IN-PROGRESS|EXPECTED|pending)\b/],
];
const PAINTED: ReadonlySet<string> = new Set(["STATUS"]);

/** The columns of an output. */
export const columnsOf = <T>({ columns }: Pick<Kind<T>, "columns">, wide: boolean): Column<T>[] =>
  columns.filter((column) => (wide ? !column.narrow : !column.wide));

/** One line a row, but where it is to be cut off or broken at a width; an empty cell is `-`. */
export function tableText<T>(
  columns: Column<T>[],
  rows: readonly T[],
  look: Look,
  {
    headings,
    colour,
    ...alignment
  }: { headings: boolean; colour: boolean; widths?: number[]; width?: number; wrap?: number | undefined },
): string {
  const names = columns.map(({ heading }) => heading);
  const cells = rows.map((row) => columns.map(({ of }) => of(row, look) || "-"));
  const paint = (cell: string, at: number, line: number) => {
    const code = PAINTED.has(names[at] ?? "") ? COLOURS.find(([, is]) => is.test(cell))?.[0] : undefined;
    return code === undefined || (headings && line === 0) ? cell : `\x1b[${code}m${cell}\x1b[39m`;
  };
  const lines = headings ? [names, ...cells] : cells;
  return lines.length === 0 ? "" : aligned(lines, { ...alignment, ...(colour ? { paint } : {}) });
}

/** A column of how long ago something was. */
export const ago = <T>(heading: string, timeOf: (row: T) => string | null | undefined): Column<T> => ({
  heading,
  of: (row, { now }) => age(timeOf(row), now),
});

export const orNone = (value: string | number | null | undefined): string => (value ?? "-").toString();
