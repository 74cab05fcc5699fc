import { expect, test } from "bun:test";
import { sectionsText } from "../../src/cli/show/sections.ts";

test("what hardware says moves no cursor: not in names, values, headings, tables or lines", () => {
  const evil = "\x1b]0;mine\x07\x1b[2J\u009b";
  const text = sectionsText([
    { heading: evil, fields: [[evil, evil]] },
    { heading: "a", rows: [[evil], [evil]], none: "" },
    { heading: "b", rows: [], none: evil },
    { heading: "c", line: evil },
  ]);
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are looked for
  expect(text).not.toMatch(/[\x00-\x09\x0b-\x1f\x7f-\x9f]/);
  expect(text).toContain("mine");
});

test("names stand in one column, and what has no value is left out", () => {
  const fields: [string, string | null][] = [
    ["Name", "n1"],
    ["Last seen", "now"],
    ["Key", null],
  ];
  expect(sectionsText([{ heading: "", fields }])).toBe("Name:       n1\nLast seen:  now\n");
});
