// Everything but the tests that must hold before a change goes in. All steps run, whatever the others say.
import { join } from "node:path";

const root = join(import.meta.dir, "..");
const bun = process.execPath;
const steps: [name: string, command: string[]][] = [
  ["format, lint", [bun, "x", "biome", "check", "--error-on-warnings", "."]],
  ["types", [bun, "x", "tsc", "--noEmit", "-p", "."]],
  ["unused code", [bun, "x", "knip"]],
  ["import direction", [bun, "test", "test/imports.test.ts"]],
  ["migrations current", [bun, "scripts/migrations.ts", "--check"]],
];

const results = await Promise.all(
  steps.map(async ([name, command]) => {
    const began = performance.now();
    const step = Bun.spawn(command, { cwd: root, stdin: "ignore", stdout: "pipe", stderr: "pipe" });
    const [stdout, stderr, status] = await Promise.all([
      new Response(step.stdout).text(),
      new Response(step.stderr).text(),
      step.exited,
    ]);
    const seconds = ((performance.now() - began) / 1000).toFixed(1);
    console.log(`${status === 0 ? "ok  " : "FAIL"}  ${name.padEnd(20)}${seconds.padStart(5)} s`);
    return { name, status, output: stdout + stderr };
  }),
);

const failed = results.filter(({ status }) => status !== 0);
for (const { name, output } of failed) console.log(`\n--- ${name}\n${output.trimEnd()}`);
console.log(`\ncheck: ${results.length - failed.length} of ${results.length} steps ok`);
process.exit(failed.length ? 1 : 0);
