import { env } from "./processes.ts";

/** A program of a benchmark in a process of its own, which tells what it has done in lines of JSON, numbers by name. */
export interface Peer {
  pid: number;
  /** Resolves with the first value from now on, or already there, that this field has and that is as large as that. */
  told(field: string, atLeast?: number): Promise<number>;
  /** The last value of a field; undefined: it has not been told. */
  last(field: string): number | undefined;
  write(line: string): void;
  end(): Promise<void>;
}

/** Starts a program of Bun's, behind a command that runs it elsewhere. */
export function startPeer(program: string, args: string[], prefix: string[] = []): Peer {
  const child = Bun.spawn([...prefix, process.execPath, program, ...args], {
    env,
    stdin: "pipe",
    stdout: "pipe",
    stderr: "pipe",
  });
  let wake = Promise.withResolvers<void>();
  let ended: string | null = null;
  const known = new Map<string, number>();
  const read = async () => {
    const decoder = new TextDecoder();
    let rest = "";
    for await (const chunk of child.stdout) {
      const lines = (rest + decoder.decode(chunk, { stream: true })).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines)
        for (const [name, value] of Object.entries(JSON.parse(line))) known.set(name, Number(value));
      wake.resolve();
      wake = Promise.withResolvers();
    }
    ended = await errors;
    wake.resolve();
  };
  const errors = new Response(child.stderr).text();
  void read();
  return {
    pid: child.pid,
    last: (field) => known.get(field),
    async told(field, atLeast = 1) {
      for (;;) {
        const value = known.get(field);
        if (value !== undefined && value >= atLeast) return value;
        if (ended !== null) throw new Error(`${program} ${args[0]} ended: ${ended}`);
        await wake.promise;
      }
    },
    write(line) {
      child.stdin.write(line);
      child.stdin.flush();
    },
    async end() {
      child.kill("SIGKILL");
      await child.exited;
    },
  };
}

/** Runs `work`, and ends what it started. */
export async function withPeers<T>(work: (start: typeof startPeer) => Promise<T>): Promise<T> {
  const peers: Peer[] = [];
  try {
    return await work((...given) => {
      const peer = startPeer(...given);
      peers.push(peer);
      return peer;
    });
  } finally {
    for (const peer of peers) await peer.end();
  }
}
