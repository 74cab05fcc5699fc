import { join } from "node:path";
import { excerpt } from "./measure.ts";
import { scratch } from "./processes.ts";

/** Compiles a C program of this folder; the reason as text where that can't be done here. */
export async function build(source: string, ...libraries: string[]): Promise<{ path: string } | { missing: string }> {
  const compiler = ["cc", "gcc", "clang"].find((name) => Bun.which(name) !== null);
  if (!compiler) return { missing: "no C compiler here" };
  const path = join(scratch(), source.replace(/\.c$/, ""));
  const file = new URL(`./${source}`, import.meta.url).pathname;
  const { exitCode, stderr } = Bun.spawnSync([compiler, "-O2", "-o", path, file, ...libraries]);
  if (exitCode === 0) return { path };
  const text = stderr.toString();
  return { missing: /pci\/pci\.h|-lpci/.test(text) ? "no libpci-dev here" : `not compiled: ${excerpt(text)}` };
}

/** Runs a program to its end; its output. Throws what it said when it fails. */
export async function output(command: string[]): Promise<string> {
  const child = Bun.spawn(command, { stdin: "ignore", stdout: "pipe", stderr: "pipe" });
  const [out, err, status] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  if (status !== 0) throw new Error(`${command.join(" ")} exited ${status}: ${excerpt(err || out)}`);
  return out;
}
