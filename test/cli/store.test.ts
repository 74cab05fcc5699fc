import { afterAll, describe, expect, test } from "bun:test";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileStore } from "../../src/cli/store.ts";
import type { Log } from "../../src/world.ts";

const directory = mkdtempSync(join(tmpdir(), "sinew-store-"));
afterAll(() => rmSync(directory, { recursive: true }));
const silent: Log = () => {};
let made = 0;
const path = () => join(directory, `${made++}.json`);

describe("fileStore()", () => {
  test("gives null where there is no file, and what was saved last where there is", async () => {
    const store = fileStore(path(), silent);
    expect(await store.load()).toBeNull();
    await store.save({ a: 1 });
    await store.save({ a: 2 });
    expect(await store.load()).toEqual({ a: 2 });
  });

  test("ends with the last of many saves that nobody waited for", async () => {
    const store = fileStore(path(), silent);
    await Promise.all(Array.from({ length: 50 }, (_, n) => store.save({ n })));
    expect(await store.load()).toEqual({ n: 49 });
  });

  test("keeps its file to its owner", async () => {
    const file = path();
    await fileStore(file, silent).save({});
    expect(statSync(file).mode & 0o777).toBe(0o600);
  });

  test("sets a corrupt file aside with a warning and starts anew", async () => {
    const file = path();
    writeFileSync(file, '{"a":');
    const said: string[] = [];
    const store = fileStore(file, (level, message) => said.push(`${level} ${message}`));
    expect(await store.load()).toBeNull();
    expect(said.join()).toContain(`warn ${file} is no JSON document`);
    expect(readFileSync(`${file}.corrupt`, "utf8")).toBe('{"a":');
    await store.save({ a: 1 });
    expect(await store.load()).toEqual({ a: 1 });
  });

  test("fails a save that cannot be written, keeps the old document and can save again", async () => {
    const file = path();
    const store = fileStore(file, silent);
    await store.save({ a: 1 });
    await expect(store.save({ big: 1n })).rejects.toThrow();
    expect(await store.load()).toEqual({ a: 1 });
    const lost = fileStore(join(directory, "no", "such"), silent);
    await expect(lost.save({})).rejects.toThrow();
    await store.save({ a: 3 });
    expect(await store.load()).toEqual({ a: 3 });
  });

  test("has the old or the new document after a kill at any moment", async () => {
    const file = path();
    const program = `
      import { fileStore } from ${JSON.stringify(join(import.meta.dir, "../../src/cli/store.ts"))};
      const store = fileStore(${JSON.stringify(file)}, () => {});
      for (let n = 0; ; n++) { await store.save({ n, fill: "x".repeat(100_000) }); console.log(n); }`;
    for (let round = 0; round < 5; round++) {
      const writer = Bun.spawn([process.execPath, "-e", program], { stdout: "pipe" });
      let saved = -1;
      let text = "";
      for await (const chunk of writer.stdout) {
        text += new TextDecoder().decode(chunk);
        saved = Number(text.trimEnd().split("\n").at(-1));
        if (saved >= 3 + round) writer.kill("SIGKILL");
      }
      await writer.exited;
      const kept = (await fileStore(file, silent).load()) as { n: number; fill: string };
      expect(kept.n).toBeGreaterThanOrEqual(saved);
      expect(kept.fill).toHaveLength(100_000);
    }
    expect(readdirSync(directory).filter((name) => name.endsWith(".corrupt") && name.startsWith(file))).toEqual([]);
  });
});
