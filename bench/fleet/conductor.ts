import { closeSync, copyFileSync, openSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { freePort } from "../../test/support/ports.ts";
import { env, main, scratch, TOKEN } from "../processes.ts";

const PROBE = new URL("./probe.ts", import.meta.url).pathname;
/** The core that conductors have to themselves; all else runs on the other ones. */
const ON_OWN_CORE = ["taskset", "-c", "0"];

/** BENCH_PROFILE=DIRECTORY: each conductor leaves a CPU profile there; it is then stopped where it would have been killed. */
const profiled = () => {
  const directory = process.env.BENCH_PROFILE;
  return directory ? ["--cpu-prof", "--cpu-prof-dir", directory] : [];
};

export interface Conductor {
  readonly pid: number;
  readonly port: number;
  readonly url: string;
  readonly db: string;
  /** The file with its CA's certificate, and the name in its own. */
  readonly ca: string;
  readonly serverName: string;
  /** When it was ready, epoch in milliseconds. */
  start(): Promise<number>;
  stop(): Promise<void>;
  kill(): Promise<void>;
  /** The longest that its event loop was blocked between these times (epoch), in milliseconds. */
  longestBlock(from: number, until: number): number;
  log(): string;
}

const all = new Set<{ kill(): Promise<void> }>();
export const killConductors = () => Promise.all([...all].map((one) => one.kill()));

/** A conductor as its operators start it, with TLS and credentials, on one core; only a timer that watches is added. */
export function conductor({ db, tls = true, args = [] }: { db: string; tls?: boolean; args?: string[] }): Conductor {
  const state = scratch();
  const port = freePort();
  writeFileSync(join(state, "operator.token"), TOKEN, { mode: 0o600 });
  const probe = join(state, "probe");
  const log = join(state, "log");
  const listen = `${tls ? "0.0.0.0" : "127.0.0.1"}:${port}`;
  const command = () => [
    ...[...ON_OWN_CORE, process.execPath, ...profiled(), "--preload", PROBE, main, "start", "--role", "conductor"],
    ...["--listen", listen, "--state", state, "--db", db, ...args],
  ];
  let child: Bun.Subprocess | null = null;
  const self = {
    get pid() {
      return child?.pid ?? 0;
    },
    port,
    db,
    url: `${tls ? "https" : "http"}://127.0.0.1:${port}`,
    ca: join(state, "bench-ca.crt"),
    get serverName() {
      return readFileSync(join(state, "node-id"), "utf8").trim();
    },
    async start() {
      const fd = openSync(log, "a");
      const started = Bun.spawn(command(), {
        env: { ...env, BENCH_PROBE: probe },
        stdin: "ignore",
        stdout: "pipe",
        stderr: fd,
      });
      closeSync(fd);
      child = started;
      const decoder = new TextDecoder();
      let text = "";
      for await (const chunk of started.stdout) {
        text += decoder.decode(chunk, { stream: true });
        if (!/^sinew conductor ready on /m.test(text)) continue;
        const at = Date.now();
        // A conductor that stops takes it away.
        if (tls) copyFileSync(join(state, "conductor.ca.crt"), self.ca);
        return at;
      }
      throw new Error(`the conductor did not start: ${self.log()}`);
    },
    async stop() {
      child?.kill("SIGTERM");
      await child?.exited;
    },
    async kill() {
      child?.kill(process.env.BENCH_PROFILE ? "SIGTERM" : "SIGKILL");
      await child?.exited;
    },
    longestBlock: (from: number, until: number) =>
      Math.max(
        0,
        ...readFileSync(probe, "utf8")
          .trim()
          .split("\n")
          .map((line) => line.split(" ").map(Number))
          .flatMap(([at = 0, ms = 0]) => (at - 100 >= from && at - 100 <= until ? [ms] : [])),
      ),
    log: () => readFileSync(log, "utf8").slice(-2000),
  };
  all.add(self);
  return self;
}
