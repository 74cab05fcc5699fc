import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseSnapshot } from "../../src/pci/snapshot/snapshot.ts";
import { denoPath } from "../support/deno.ts";
import { makeTree, type Tree } from "../support/tree.ts";
import { cleanEnv, lines, run } from "./run.ts";

const MAIN = join(import.meta.dir, "../../src/main.ts");
const [GPU, NIC] = ["0000:00:02.0", "0000:00:03.0"];
let home = "";
beforeAll(() => {
  home = mkdtempSync(join(tmpdir(), "sinew-cli-snapshot-"));
});
afterAll(() => rmSync(home, { recursive: true }));

/** The open of a FIFO blocks until something writes to it, as a read of a dying card does. */
function hang(tree: Tree, address: string, file: string): void {
  const fifo = join(tree.directory(address), file);
  rmSync(fifo, { force: true });
  if (Bun.spawnSync(["mkfifo", fifo]).exitCode !== 0) throw new Error("no mkfifo");
}

async function withTree(look: (tree: Tree) => Promise<void>): Promise<void> {
  const tree = makeTree();
  try {
    tree.add({ address: GPU, vendor: "10de", device: "2331", class: "030200" });
    tree.add({ address: NIC, vendor: "8086", device: "159b", class: "020000" });
    await look(tree);
  } finally {
    tree.close();
  }
}
const snapshot = (tree: Tree) => run(["snapshot", "--sysfs", tree.sysfs], cleanEnv(home));

// Each waits for seconds, until a read is given up: so all at the same time.
describe("sinew snapshot of a function that does not answer", () => {
  test.concurrent.each(["config", "numa_node", "driver_override"])(
    "ends by itself when %s hangs, with the function's ids and all of the others",
    (file) =>
      withTree(async (tree) => {
        const before = parseSnapshot((await snapshot(tree)).out);
        hang(tree, GPU, file);
        const { code, out, err } = await snapshot(tree);
        expect(code).toBe(0);
        expect(lines(err)).toEqual([`sinew: ${GPU} is recorded in part: a read of ${file} does not return`]);
        const { functions } = parseSnapshot(out);
        expect(functions[GPU]).toMatchObject({
          attributes: { vendor: "0x10de\n", device: "0x2331\n", class: "0x030200\n" },
          config: null,
          unreadable: { [file]: "ETIMEDOUT" },
        });
        expect(functions[NIC]).toEqual(before.functions[NIC]);
        const recording = join(home, `${file}.json`);
        writeFileSync(recording, out);
        const replay = await run(["scan", "--all", "--snapshot", recording], cleanEnv(home));
        expect({ code: replay.code, err: replay.err }).toEqual({ code: 0, err: "" });
        expect(replay.out).toContain(GPU);
      }),
    20_000,
  );

  test.concurrent(
    "names every one that hangs, be it the first file of it",
    () =>
      withTree(async (tree) => {
        hang(tree, GPU, "vendor");
        hang(tree, NIC, "config");
        const { code, out, err } = await snapshot(tree);
        expect(code).toBe(0);
        expect(lines(err)).toHaveLength(2);
        expect(Object.keys(parseSnapshot(out).functions)).toEqual([GPU, NIC]);
      }),
    20_000,
  );

  test.concurrent.if(denoPath !== null)(
    "ends by itself on Deno too",
    () =>
      withTree(async (tree) => {
        hang(tree, GPU, "config");
        const command = [denoPath ?? "", "run", "-A", "--no-lock", MAIN, "snapshot", "--sysfs", tree.sysfs];
        const child = Bun.spawn(command, { env: cleanEnv(home), stdout: "pipe", stderr: "ignore", timeout: 18_000 });
        const { functions } = parseSnapshot(await new Response(child.stdout).text());
        expect(await child.exited).toBe(0);
        expect(Object.keys(functions)).toEqual([GPU, NIC]);
      }),
    20_000,
  );
});
