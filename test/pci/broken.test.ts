import { expect, test } from "bun:test";
import fc from "fast-check";
import { whereBroken } from "../../src/pci/snapshot/broken.ts";

test.each([
  ["hello", 'line 1, column 1: expected a value, found "hello"'],
  ['{"a": 1,\n}', 'line 2, column 1: expected a name, found "}"'],
  ['{"a":', "line 1, column 6: expected a value, found the end of the text"],
  ["[1\n 2]", 'line 2, column 2: expected a comma or the end, found "2]"'],
  ['{"a":"x', 'line 1, column 6: expected a value, found "\\"x"'],
  ['{"a":1} x', 'line 1, column 9: expected the end, found "x"'],
  ["[1}", 'line 1, column 3: expected a comma or the end, found "}"'],
])("whereBroken() names the place in %j", (text, place) => {
  expect(whereBroken(text)).toBe(place);
});

test("whereBroken() finds a place just where JSON.parse() throws", () => {
  const change = fc.record({
    at: fc.nat(200),
    cut: fc.nat(3),
    put: fc.constantFrom("", "", ",", "]", "}", '"', "\\", "1"),
  });
  fc.assert(
    fc.property(fc.json(), change, (json, { at, cut, put }) => {
      const text = json.slice(0, at) + put + json.slice(at + cut);
      let parses = true;
      try {
        JSON.parse(text);
      } catch {
        parses = false;
      }
      expect([text, whereBroken(text) === null]).toEqual([text, parses]);
    }),
    { numRuns: 2000 },
  );
});

test("whereBroken() takes a long text with a long string and deep brackets in stride", () => {
  expect(whereBroken(`${"[".repeat(200_000)}"${"x\\n".repeat(1_000_000)}"`)).toContain("found the end of the text");
});
