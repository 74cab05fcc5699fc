import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { sign, webhookKey } from "../../src/tiers/conductor/delivery/webhook.ts";
import { page } from "./markdown.ts";

const home = mkdtempSync(join(tmpdir(), "sinew-receiver-"));
afterAll(() => rmSync(home, { recursive: true, force: true }));

// The receiver that the page shows, beside what a conductor signs.
test.each([
  ["text", "a key that both know", "a key that both know\n"],
  ["base64", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n"],
])("docs/alarms.md shows how a receiver knows what is ours, by a key that is %s", async (name, key, inFile) => {
  const code =
    page("docs/alarms.md")
      .blocks.find(({ language }) => language === "ts")
      ?.lines.join("\n") ?? "";
  const [file, module] = [join(home, `${name}.key`), join(home, `${name}.ts`)];
  writeFileSync(file, inFile);
  writeFileSync(module, code.replace("/etc/sinew/webhook.key", file));
  const { isOurs } = (await import(module)) as { isOurs(headers: Headers, body: string): boolean };
  const now = Math.floor(Date.now() / 1000);
  const signed = async (by: string, timestamp: number) =>
    new Headers({
      ...{ "webhook-id": "1", "webhook-timestamp": String(timestamp) },
      "webhook-signature": await sign(webhookKey(by), { id: "1", timestamp, body: "{}" }),
    });
  expect(isOurs(await signed(key, now), "{}")).toBe(true);
  expect(isOurs(await signed(key, now), "{ }")).toBe(false);
  expect(isOurs(await signed("another key of theirs", now), "{}")).toBe(false);
  expect(isOurs(await signed(key, now - 3_600), "{}")).toBe(false);
  expect(isOurs(new Headers(), "{}")).toBe(false);
});
