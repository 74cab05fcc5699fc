import { expect, test } from "bun:test";
import { otherGeneration } from "../../../../src/tiers/conductor/members/membership.ts";

const encoder = new TextEncoder();
const hello = (generation: unknown, { labels = {}, name = "n1" }: { labels?: object; name?: string } = {}) =>
  JSON.stringify({ status: "READY", endpoint: ":1", node: { id: "1", name, labels }, generation, boot_id: "b" });
const other = (before: string, now: string, generation = "g1") =>
  otherGeneration({ before: encoder.encode(before), now: encoder.encode(now) }, generation);

test("the generation of a hello that is the one before it but for that", () => {
  expect(other(hello("g1"), hello("g2"))).toBe("g2");
  expect(other(hello("g1"), hello("g1x"))).toBe("g1x");
  expect(other(hello("g1"), hello("g"))).toBe("g");
  expect(other(hello("g1", { name: "Zürich" }), hello("g22", { name: "Zürich" }))).toBe("g22");
});

test.each([
  ["a label that changes with it", hello("g1", { labels: { a: "1" } }), hello("g2", { labels: { a: "2" } })],
  ["a label alone", hello("g1", { labels: { a: "1" } }), hello("g1", { labels: { a: "2" } })],
  ["another name behind the same length", hello("g1", { name: "n1" }), hello("g2", { name: "n2" })],
  // Which of both is the hello's own is for a parser to tell.
  [
    "a label that is called so",
    hello("g1", { labels: { generation: "g1" } }),
    hello("g1", { labels: { generation: "g2" } }),
  ],
  ["an escape", hello("g1"), hello('g"')],
  [
    "a label that is called so where the member itself is spelt otherwise",
    hello("g1", { labels: { generation: "g1" } }).replace('"generation":"g1","boot', '"gener\\u0061tion":"g1","boot'),
    hello("g1", { labels: { generation: "g2" } }).replace('"generation":"g1","boot', '"gener\\u0061tion":"g1","boot'),
  ],
  ["no text", hello("g1"), hello(2)],
  ["none", hello("g1"), hello(undefined)],
  ["one that is empty", hello("g1"), hello("")],
  ["one that is too long", hello("g1"), hello("g".repeat(129))],
  ["a member more", hello("g1"), hello("g2").replace("}", ',"sent_at":"2026-11-23T00:00:00Z"}')],
  ["the same member twice", hello("g1"), hello("g2").replace('"g2"', '"g2","generation":"g3"')],
  ["what the one before did not say", hello("g0"), hello("g2")],
  ["a text that is cut off", hello("g1"), hello("g1").slice(0, 80)],
])("is not told from %s", (_, before, now) => {
  expect(other(before, now)).toBeNull();
});
