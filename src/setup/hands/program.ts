// A program: a JSON request per line on stdin, a JSON answer per line on stdout. It runs as a process of its own
// (child.ts), because a read or a write of sysfs may never return, and nothing in a process ends a thread that is in one.
import { closeSync, constants, openSync, writeSync } from "node:fs";
import { networkInterfaces } from "node:os";
import { createInterface } from "node:readline";
import { readFacts } from "../facts/read.ts";
import type { Answer, Asked } from "./child.ts";

// A terminal's Ctrl-C is for the agent, which lets a step end; without the agent stdin ends.
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => {});

function answer(asked: Asked): Answer {
  try {
    if ("write" in asked) {
      write(asked.write.path, asked.write.value);
      return { ok: null };
    }
    return { ok: readFacts({ ...asked.facts, interfaces: interfaces() }) };
  } catch (error) {
    const code = error instanceof Error && "code" in error ? String(error.code) : null;
    return { code, error: error instanceof Error ? error.message : String(error) };
  }
}

/** One write(2) of one line: what the kernel calls a store. */
function write(path: string, value: string): void {
  const fd = openSync(path, constants.O_WRONLY | constants.O_NOFOLLOW);
  try {
    const line = Buffer.from(`${value}\n`);
    const written = writeSync(fd, line);
    if (written !== line.length) throw new Error(`${path}: ${written} of ${line.length} bytes were taken`);
  } finally {
    closeSync(fd);
  }
}

const interfaces = () =>
  Object.fromEntries(
    Object.entries(networkInterfaces()).map(([name, all = []]) => [name, all.map((one) => one.address)]),
  );

const say = (answer: Answer) => new Promise((done) => process.stdout.write(`${JSON.stringify(answer)}\n`, done));

// That it runs: how long a machine takes to start a program says nothing about a device.
await say({ ok: null });
for await (const line of createInterface({ input: process.stdin })) {
  // Our own parent wrote it.
  await say(answer(JSON.parse(line) as Asked));
}
