// `bun run lab [FILE...]`: the tests of test/lab, each of which boots a machine of its own in QEMU. Ends with the line
// `N passed, N failed`.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { labImage, NoLab } from "../test/lab/support/image.ts";

try {
  // Here and not in the tests, of which two run at a time.
  labImage();
} catch (error) {
  if (!(error instanceof NoLab)) throw error;
  console.error(error.message);
  process.exit(1);
}

/** What guests keep on this machine is gone after a run, also one that was killed in the middle. */
const home = mkdtempSync(join(tmpdir(), "sinew-lab-"));
const files = process.argv.slice(2);
const child = Bun.spawn(
  // Waiting for conditions, with deadlines of their own: this one is for what hangs.
  [process.execPath, "test", "--timeout", "240000", "--parallel=2", ...(files.length > 0 ? files : ["test/lab"])],
  { stdin: "ignore", stdout: "inherit", stderr: "pipe", env: { ...process.env, TMPDIR: home } },
);
for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => child.kill(signal));
let said = "";
const decoder = new TextDecoder();
for await (const chunk of child.stderr) {
  process.stderr.write(chunk);
  said = (said + decoder.decode(chunk, { stream: true })).slice(-10_000);
}
const code = await child.exited;
rmSync(home, { recursive: true, force: true });
const count = (pattern: RegExp) => Number(pattern.exec(said)?.[1] ?? 0);
const passed = count(/^ *(\d+) pass$/m);
const failed = count(/^ *(\d+) fail$/m) + count(/^ *(\d+) errors?$/m);
// Killed, crashed, not even started: that is a failure too, though nothing counted it.
console.log(`${passed} passed, ${code !== 0 && failed === 0 ? 1 : failed} failed`);
process.exit(code === 0 ? 0 : 1);
