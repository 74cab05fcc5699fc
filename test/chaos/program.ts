import { closeSync, existsSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Subprocess } from "bun";

const main = new URL("../../src/main.ts", import.meta.url).pathname;
const FAKETIME = ["/usr/lib", "/usr/lib64"]
  .flatMap((lib) => ["x86_64-linux-gnu/", "aarch64-linux-gnu/", ""].map((arch) => `${lib}/${arch}faketime`))
  .map((folder) => `${folder}/libfaketimeMT.so.1`)
  .find(existsSync);
/** Whether the wall clock of one process can be set. */
export const canSetClocks = FAKETIME !== undefined;

// Nothing of the machine that runs this may steer the fleet.
const environment = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("SINEW_")));
/** As the units have it, but quicker. */
const RESTART_MS = 300;
const READY_MS = 30_000;

export interface Event {
  at: number;
  text: string;
}

/** What happened, newest last. */
export function makeDiary(show: (line: string) => void) {
  const events: Event[] = [];
  return {
    events,
    note(text: string, { quietly = false } = {}) {
      const at = performance.now();
      events.push({ at, text });
      if (!quietly) show(`${(at / 1000).toFixed(1).padStart(7)} s  ${text}`);
    },
  };
}
export type Diary = ReturnType<typeof makeDiary>;

/**
 * A `sinew start` that is kept running as a service manager keeps it. That it ends by itself after it was ready is noted as
 * a fault of its own.
 */
export function makeProgram(options: { name: string; args: string[]; folder: string; diary: Diary }) {
  const { name, args, folder, diary } = options;
  const log = join(folder, `${name}.log`);
  const clock = join(folder, `${name}.clock`);
  writeFileSync(clock, "+0\n");
  const clocks = FAKETIME
    ? {
        LD_PRELOAD: FAKETIME,
        FAKETIME_TIMESTAMP_FILE: clock,
        FAKETIME_NO_CACHE: "1",
        FAKETIME_DONT_FAKE_MONOTONIC: "1",
      }
    : {};
  let child: Subprocess | null = null;
  let wanted = false;
  let ready = false;
  /** When it last began to run: a start, or the end of a pause. */
  let since = Number.POSITIVE_INFINITY;
  let paused = false;
  const crashes: string[] = [];
  const waiting: (() => void)[] = [];

  async function run(): Promise<void> {
    since = performance.now();
    ready = false;
    const errors = openSync(log, "a");
    const own = Bun.spawn([process.execPath, main, "start", ...args], {
      env: { ...environment, ...clocks, NO_COLOR: "1" },
      stdin: "ignore",
      stdout: "pipe",
      stderr: errors,
    });
    closeSync(errors);
    child = own;
    let said = "";
    const decoder = new TextDecoder();
    for await (const chunk of own.stdout) {
      said += decoder.decode(chunk, { stream: true });
      if (ready || !/^sinew \w+ ready on /m.test(said)) continue;
      ready = true;
      for (const resolve of waiting.splice(0)) resolve();
    }
    await own.exited;
    if (child !== own) return;
    child = null;
    const wasReady = ready;
    ready = false;
    since = Number.POSITIVE_INFINITY;
    if (!wanted) return;
    const how = own.signalCode ?? own.exitCode;
    diary.note(`${name} ended by itself: ${how}`);
    // Not to get up while its disk is full or its database away is a service manager's to try again.
    if (wasReady) crashes.push(`${name} ended by itself (${how}); its last words are in ${log}`);
    await Bun.sleep(RESTART_MS);
    if (wanted && !child) void run();
  }

  return {
    name,
    log,
    crashes,
    get isUp() {
      return ready && !paused;
    },
    /** When it last began to run, on the clock of `performance.now()`; infinite while it does not. */
    get since() {
      return paused ? Number.POSITIVE_INFINITY : since;
    },
    /** Resolves once it says that it is ready, however often it has to be started for that. */
    async start(): Promise<void> {
      wanted = true;
      if (!child) void run();
      await this.ready();
    },
    ready(): Promise<void> {
      if (ready) return Promise.resolve();
      return new Promise((resolve, reject) => {
        const late = setTimeout(
          () =>
            reject(
              new Error(`${name} was not ready within ${READY_MS} ms:\n${readFileSync(log, "utf8").slice(-2000)}`),
            ),
          READY_MS,
        );
        waiting.push(() => {
          clearTimeout(late);
          resolve();
        });
      });
    },
    async stop(signal: "SIGTERM" | "SIGKILL"): Promise<void> {
      wanted = false;
      const own = child;
      if (!own) return;
      if (paused) own.kill("SIGCONT");
      paused = false;
      own.kill(signal);
      await own.exited;
    },
    pause() {
      paused = true;
      child?.kill("SIGSTOP");
    },
    resume() {
      if (!paused) return;
      paused = false;
      since = performance.now();
      child?.kill("SIGCONT");
    },
    /** From now on its wall clock is wrong by so much. */
    setClock: (seconds: number) => writeFileSync(clock, `${seconds < 0 ? "" : "+"}${seconds}\n`),
    forget: () => rmSync(clock, { force: true }),
  };
}
export type Program = ReturnType<typeof makeProgram>;
