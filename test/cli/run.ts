import { join } from "node:path";

export const main = join(import.meta.dir, "../../src/main.ts");

export interface Ran {
  code: number;
  out: string;
  err: string;
}

/** Nothing of the machine that runs the tests may steer them; HOME is where defaults would write. */
export const cleanEnv = (home: string, more: Record<string, string> = {}) => ({
  PATH: process.env.PATH ?? "",
  HOME: home,
  XDG_STATE_HOME: join(home, "xdg"),
  ...more,
});

/** Runs the command line to its end, whatever that is. */
export async function run(args: string[], env: Record<string, string>): Promise<Ran> {
  const child = Bun.spawn([process.execPath, main, ...args], { env, stdin: "ignore", stdout: "pipe", stderr: "pipe" });
  const [out, err, code] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  return { code, out, err };
}

export const lines = (text: string) => text.trimEnd().split("\n");
