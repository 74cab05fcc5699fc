import { expect, test } from "bun:test";
import { Glob } from "bun";

const source = new URL("../../src/drivers", import.meta.url).pathname;

test("src/drivers loads nothing but itself and the device identity, so that a scan starts fast", async () => {
  const files = [...new Glob("**/*.ts").scanSync(source)];
  expect(files.length).toBeGreaterThan(20);
  for (const file of files) {
    const text = await Bun.file(`${source}/${file}`).text();
    for (const [, clause, from = ""] of text.matchAll(/^(?:import|export) ([^;]*?) ?from "([^"]+)";/gm)) {
      if (clause?.startsWith("type ")) continue;
      expect(`${file} ${from}`).toMatch(/ (\.\/[\w/-]+\.ts|\.\.\/(ids|claim|kind)\.ts|\.\.\/pci\/identity\.ts)$/);
    }
  }
});
