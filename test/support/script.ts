import type { Subprocess } from "bun";

const running = new Set<Subprocess>();

export interface RunningScript {
  url: string;
  /** Resolves with the exit code, or null after a signal that gives none. */
  stop(signal: "SIGTERM" | "SIGKILL"): Promise<number | null>;
}

/**
 * Runs a program, by Bun unless told otherwise, with PORT=0 and no SINEW_ variables but `env`, until either of its outputs
 * names the URL that it listens on.
 */
export async function startScript(
  args: string[],
  { runtime = process.execPath, env = {} }: { runtime?: string; env?: Record<string, string> } = {},
): Promise<RunningScript> {
  const inherited = Object.entries(process.env).filter(([name]) => !name.startsWith("SINEW_"));
  const child = Bun.spawn([runtime, ...args], {
    env: { ...Object.fromEntries(inherited), PORT: "0", NO_COLOR: "1", ...env },
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
  running.add(child);
  let output = "";
  const { promise, resolve } = Promise.withResolvers<string | null>();
  const read = async (stream: ReadableStream<Uint8Array>) => {
    const decoder = new TextDecoder();
    for await (const chunk of stream) {
      output = (output + decoder.decode(chunk, { stream: true })).slice(-20_000);
      const url = /(?:ready on|server:|Listening on) ((?:https?:\/\/|unix:)\S+?)\/?\s/.exec(output)?.[1];
      if (url) resolve(url);
    }
  };
  void Promise.all([read(child.stdout), read(child.stderr), child.exited]).then(() => resolve(null));
  const url = await promise;
  if (url === null) throw new Error(`${args.join(" ")} exited ${child.exitCode}: ${output}`);
  return {
    url,
    async stop(signal) {
      child.kill(signal);
      await child.exited;
      running.delete(child);
      return child.exitCode;
    },
  };
}

/** Ends every program started here. */
export async function stopScripts(): Promise<void> {
  for (const child of running) child.kill("SIGKILL");
  await Promise.all([...running].map((child) => child.exited));
  running.clear();
}
