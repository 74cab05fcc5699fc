import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { readFile } from "node:fs/promises";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import type { Facts, FactsQuery } from "../facts/facts.ts";
import { BlockedError, type Hands, KernelError } from "./hands.ts";

export type Asked = { facts: Omit<FactsQuery, "interfaces"> } | { write: { path: string; value: string } };
export type Answer = { ok: Facts | null } | { code: string | null; error: string };

export interface ChildOptions {
  /** How long reading facts may take: a device whose lock somebody holds does not answer. */
  factsMs?: number;
  proc?: string;
}

const START_MS = 20_000;

/** Hands in a child process, started with the first call. */
export function childHands({ factsMs = 8_000, proc = "/proc" }: ChildOptions = {}): Hands {
  let child: ReturnType<typeof start> | null = null;
  let blocked: BlockedError | null = null;

  async function ask(asked: Asked, what: string, deadlineMs: number): Promise<Facts | null> {
    if (blocked) throw blocked;
    child ??= start();
    const { process, next, ended, begun } = child;
    const hello = await within(begun, START_MS);
    if (hello === null) throw new Error(`the helper process has not started within ${START_MS / 1000} s`);
    if ("error" in hello) throw new Error(hello.error);
    process.stdin.write(`${JSON.stringify(asked)}\n`);
    const answer = await within(next(), deadlineMs);
    if (answer === null) {
      const where = await whereIs(proc, process.pid);
      // It does nothing more once it returns; a write that can be interrupted, is.
      process.kill("SIGKILL");
      blocked = new BlockedError(`${what} has not returned within ${deadlineMs / 1000} s${where}`, ended);
      throw blocked;
    }
    if ("ok" in answer) return answer.ok;
    if ("write" in asked && answer.code !== null) throw new KernelError(asked.write.path, answer.code);
    throw new Error(answer.error);
  }

  return {
    facts: (query) => ask({ facts: query }, `a look at ${query.address} in sysfs`, factsMs),
    async write(path, value, deadlineMs) {
      await ask({ write: { path, value } }, `the write of ${JSON.stringify(value)} to ${path}`, deadlineMs);
    },
    close() {
      child?.process.stdin.end();
      child = null;
    },
  };
}

function start() {
  const program = new URL("./program.ts", import.meta.url);
  const process_: ChildProcessWithoutNullStreams = spawn(process.execPath, ["--no-install", fileURLToPath(program)], {
    // Nothing of the environment or of the folder this was started in may steer what writes to sysfs.
    env: {},
    cwd: fileURLToPath(new URL(".", program)),
    stdio: ["pipe", "pipe", "pipe"],
  });
  let errors = "";
  let failure: Error | null = null;
  let take: ((answer: Answer) => void) | null = null;
  const fail = (message: string) => {
    failure ??= new Error(message);
    take?.({ code: null, error: failure.message });
  };
  process_.stderr.setEncoding("utf8").on("data", (text: string) => {
    errors = (errors + text).slice(-2000);
  });
  // A program that ends before it has read all is told of by its end.
  process_.stdin.on("error", () => {});
  process_.on("error", (error) => fail(`the helper process cannot be started: ${error.message}`));
  const ended = new Promise<void>((resolve) => {
    process_.on("close", (code, signal) => {
      fail(`the helper process ended (${signal ?? code}): ${errors.trim().split("\n").at(-1) || "it did not say why"}`);
      resolve();
    });
    process_.on("error", () => resolve());
  });
  // Our own program's lines, whose type it shares.
  createInterface({ input: process_.stdout }).on("line", (line) => take?.(JSON.parse(line) as Answer));
  const next = () =>
    new Promise<Answer>((resolve) => {
      take = resolve;
      if (failure) resolve({ code: null, error: failure.message });
    });
  const begun = next();
  // The process must be able to end while a child is in a write that never does.
  process_.unref();
  return {
    process: process_,
    ended,
    begun,
    next,
  };
}

async function within<T>(work: Promise<T>, ms: number): Promise<T | null> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const timeout = new Promise<null>((resolve) => {
    timer = setTimeout(() => resolve(null), ms);
  });
  try {
    return await Promise.race([work, timeout]);
  } finally {
    clearTimeout(timer);
  }
}

/** Where in the kernel a process is, as far as it can be seen: `, in vfio_unregister_group_dev (uninterruptible)`. */
async function whereIs(proc: string, pid: number | undefined): Promise<string> {
  const read = (name: string) => readFile(`${proc}/${pid}/${name}`, "utf8").catch(() => "");
  const [stack, wchan, stat] = await Promise.all([read("stack"), read("wchan"), read("stat")]);
  const top = stack.split("\n").flatMap((line) => /\] ([\w.]+)\+/.exec(line)?.[1] ?? [])[0];
  const at = top ?? (/^[a-z]\w+$/i.test(wchan) ? wchan : null);
  const state = /\) D /.test(stat) ? " (uninterruptible)" : "";
  return at ? `; it waits in the kernel's ${at}${state}` : state && `; it waits in the kernel${state}`;
}
