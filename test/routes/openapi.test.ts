import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { describedNow, frozenPath } from "../../scripts/openapi.ts";

test("/doc of each role is the frozen document of its version", async () => {
  const documents = await describedNow();
  expect(documents.map(({ role }) => role)).toEqual(["driver", "agent", "conductor"]);
  for (const { role, text } of documents)
    expect(JSON.parse(text)).toEqual(JSON.parse(readFileSync(frozenPath(role), "utf8")));
});
