import { closeSync, mkdtempSync, openSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Subprocess } from "bun";
import { freePort } from "../test/support/ports.ts";
import { syntheticHost } from "../test/support/tree.ts";

export const main = new URL("../src/main.ts", import.meta.url).pathname;

const children = new Set<Subprocess>();
const directories = new Set<string>();

// Nothing of the machine that runs the benchmark may steer what is measured.
export const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^SINEW_|_proxy$/i.test(name)));

export interface Child {
  pid: number;
  process: Subprocess;
  /** Ends it, as an operator would, and waits for its end. */
  stop(): Promise<void>;
}

/** Starts a program of Bun's; what it writes goes to a file, so that reading it costs nobody time. */
export function spawn(args: string[]): Child & { output(): string } {
  const log = join(scratch(), "log");
  const fd = openSync(log, "w");
  const child = Bun.spawn([process.execPath, ...args], { env, stdin: "ignore", stdout: fd, stderr: fd });
  closeSync(fd);
  children.add(child);
  return { pid: child.pid, process: child, stop: () => end(child), output: () => readFileSync(log, "utf8") };
}

async function end(child: Subprocess): Promise<void> {
  child.kill("SIGTERM");
  await Promise.race([child.exited, Bun.sleep(6000).then(() => child.kill("SIGKILL"))]);
  await child.exited;
  children.delete(child);
}

/** A directory of its own, gone at the end. */
export function scratch(): string {
  const directory = mkdtempSync(join(tmpdir(), "sinew-bench-"));
  directories.add(directory);
  return directory;
}

/** Ends and removes everything that a benchmark left, also one that failed. */
export async function cleanUp(): Promise<void> {
  for (const child of children) child.kill("SIGKILL");
  await Promise.all([...children].map((child) => child.exited));
  children.clear();
  for (const directory of directories) rmSync(directory, { recursive: true, force: true });
  directories.clear();
}

/** A host of so many functions, gone at the end. */
export function syntheticSysfs(count: number): string {
  const { sysfs } = syntheticHost(count);
  directories.add(sysfs);
  return sysfs;
}

/** The operator token of every process here, so that one lets in another, and what benchmarks send. */
export const TOKEN = `operator.${"benchmark".repeat(5).slice(0, 43)}`;
const AUTHORIZED = { headers: { authorization: `Bearer ${TOKEN}` } };

/** Asks with the token. */
export const ask = (url: string) => fetch(url, AUTHORIZED);

/** `sinew start` with state of its own. */
export function startRole(role: string, ...args: string[]): Child & { url: string; output(): string } {
  const port = freePort();
  const listen = `127.0.0.1:${port}`;
  const state = scratch();
  writeFileSync(join(state, "operator.token"), TOKEN, { mode: 0o600 });
  const child = spawn([main, "start", "--role", role, "--listen", listen, "--state", state, ...args]);
  return { ...child, url: `http://${listen}` };
}

/** Asks until `good`, as fast as answers come; resolves with the milliseconds since `since`. */
export async function pollUntil(
  url: string,
  good: (response: Response) => Promise<boolean> | boolean,
  { since = performance.now(), deadlineMs = 30_000, pauseMs = 0.5 } = {},
): Promise<number> {
  for (;;) {
    const response = await ask(url).catch(() => null); // nothing listens yet
    const done = response !== null && (await good(response));
    const took = performance.now() - since;
    if (done) return took;
    if (took > deadlineMs) throw new Error(`${url} was not as expected within ${deadlineMs} ms`);
    await Bun.sleep(pauseMs);
  }
}

export const ready = (url: string) => pollUntil(`${url}/readyz`, ({ status }) => status === 200, { pauseMs: 10 });

/** Milliseconds of CPU that a process has used, all its threads: to the nanosecond where the kernel counts so. */
export function cpuMs(pid: number): number {
  try {
    const threads = readdirSync(`/proc/${pid}/task`);
    const ns = threads.map((id) => Number(readFileSync(`/proc/${pid}/task/${id}/schedstat`, "utf8").split(" ")[0]));
    return ns.reduce((sum, one) => sum + one, 0) / 1e6;
  } catch {
    return cpuMsOfAll(pid);
  }
}

/** The same to 10 ms, threads that have ended among them: utime and stime (proc_pid_stat(5), 14 and 15). */
export function cpuMsOfAll(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]?.split(" ") ?? [];
  return (Number(fields[11]) + Number(fields[12])) * 10;
}

/** Megabytes of memory, as /proc counts them. */
export function memoryMb(pid: number): { rss: number; anon: number } {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  const kb = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+)`, "m").exec(status)?.[1] ?? Number.NaN);
  return { rss: (kb("VmRSS") * 1024) / 1e6, anon: (kb("RssAnon") * 1024) / 1e6 };
}
