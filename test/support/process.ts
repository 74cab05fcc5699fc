import type { Subprocess } from "bun";

const main = new URL("../../src/main.ts", import.meta.url).pathname;
const running = new Set<Subprocess>();

// Nothing of the machine that runs the tests may steer them.
const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("SINEW_")));

/** Runs one command to its end; its stdout. Throws with its stderr when it fails. */
export async function sinew(args: string[]): Promise<string> {
  const child = Bun.spawn([process.execPath, main, ...args], { env, stdout: "pipe", stderr: "pipe", stdin: "ignore" });
  const [out, err, code] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  if (code !== 0) throw new Error(`sinew ${args.join(" ")} exited ${code}: ${err}`);
  return out;
}

export interface RunningSinew {
  url: string;
  pid: number;
  /** Everything on stdout up to the line that says ready. */
  output: string;
  /** The end of what has come on stderr; all of it after `stop`. */
  log(): string;
  /** Resolves with the exit code, or null after a signal that gives none. */
  stop(signal: "SIGTERM" | "SIGINT" | "SIGKILL"): Promise<number | null>;
}

/**
 * Starts `sinew start` on a free port and without credentials unless told otherwise, and waits for its ready line.
 */
export async function startSinew(args: string[], variables: Record<string, string> = {}): Promise<RunningSinew> {
  const listen = args.includes("--listen") ? [] : ["--listen", "127.0.0.1:0"];
  const auth = args.includes("--auth") || "SINEW_AUTH" in variables ? [] : ["--auth", "open"];
  const child = Bun.spawn([process.execPath, main, "start", ...args, ...listen, ...auth], {
    env: { ...env, ...variables },
    stdout: "pipe",
    stderr: "pipe",
    stdin: "ignore",
  });
  running.add(child);
  let errors = "";
  const reading = (async () => {
    const decoder = new TextDecoder();
    for await (const chunk of child.stderr) errors = (errors + decoder.decode(chunk, { stream: true })).slice(-20_000);
  })();
  let output = "";
  const decoder = new TextDecoder();
  for await (const chunk of child.stdout) {
    output += decoder.decode(chunk, { stream: true });
    const ready = /^sinew (?:\w+) ready on (\S+)$/m.exec(output);
    if (!ready?.[1]) continue;
    return {
      url: ready[1],
      pid: child.pid,
      output,
      log: () => errors,
      async stop(signal) {
        child.kill(signal);
        await Promise.all([child.exited, reading]);
        running.delete(child);
        return child.exitCode;
      },
    };
  }
  await Promise.all([child.exited, reading]);
  running.delete(child);
  throw new Error(`sinew start ${args.join(" ")} exited ${child.exitCode}: ${errors}`);
}

/** Ends every process started here. */
export async function endAll(): Promise<void> {
  for (const child of running) child.kill("SIGKILL");
  await Promise.all([...running].map((child) => child.exited));
  running.clear();
}

/** Waits for a condition, not for a time; throws when it does not come true. */
export async function until(condition: () => Promise<boolean> | boolean, deadlineMs = 10_000): Promise<void> {
  const end = performance.now() + deadlineMs;
  // What takes longer is asked for less often: the tests beside this one need the processor, too.
  for (let pause = 10; !(await condition()); pause = Math.min(100, pause * 1.2)) {
    if (performance.now() > end) throw new Error(`not true within ${deadlineMs} ms: ${condition}`);
    await Bun.sleep(pause);
  }
}
