import type { ScanResult, WantedIds } from "../sysfs/scan.ts";
import { ScanMemory } from "./memory.ts";
import { Progress } from "./progress.ts";
import { type FromWorker, idsKey, type ToWorker } from "./protocol.ts";

export interface ScannerOptions {
  /** The sysfs to read: `/sys`, or the root of a recorded tree. */
  sysfs: string;
  /** Which functions are read beyond their ids. Asked once for each ids and class; default: all are. */
  wanted?: ((ids: WantedIds) => boolean | Promise<boolean>) | undefined;
  /** How long one function may take before it counts as hung. */
  deadlineMs?: number;
  /** How long an idle Worker is kept for the next scan. It costs some megabytes, and 20 ms to start again. */
  idleMs?: number;
}

export interface Scanner {
  /** Scans; calls while a scan runs get that scan's result. Rejects when the bus can't be read or the Worker dies. */
  scan(): Promise<ScanResult>;
  /** Ends the Worker; a scan in flight rejects. */
  close(): void;
}

/**
 * Scans in a Worker, so that a read which never returns stops nothing: the function it is on is reported as hung, that
 * Worker is abandoned, and later scans leave the function alone until the read has returned after all.
 */
export function createScanner({ sysfs, wanted, deadlineMs = 2000, idleMs = 5000 }: ScannerOptions): Scanner {
  const verdicts = new Map<string, boolean>();
  /** Functions whose read has not returned. */
  const stuck = new Set<string>();
  const memory = new ScanMemory();
  let worker: Worker | null = null;
  let running: Promise<ScanResult> | null = null;
  let idle: ReturnType<typeof setTimeout> | undefined;
  let abort: ((reason: Error) => void) | null = null;
  let closed = false;

  function startWorker(): Worker {
    const started = new Worker(new URL("./worker.ts", import.meta.url).href, { smol: true });
    worker = started;
    return started;
  }

  function dropWorker(): void {
    clearTimeout(idle);
    // Unreferenced first: the process must be able to end while this thread is stuck in a read.
    worker?.unref();
    worker?.terminate();
    worker = null;
  }

  /** Leaves the stuck Worker to its read; its `close` event says that the read has returned. */
  function abandon(hung: Worker, address: string): void {
    stuck.add(address);
    hung.addEventListener("close", () => stuck.delete(address));
    dropWorker();
  }

  async function verdictOn(ids: WantedIds): Promise<boolean> {
    const key = idsKey(ids);
    const verdict = verdicts.get(key) ?? (await wanted?.(ids)) ?? true;
    verdicts.set(key, verdict);
    return verdict;
  }

  /** One pass over the bus: its result as JSON, or the address of the function that it hung on. */
  function pass(): Promise<{ result: string } | { hung: string }> {
    const current = worker ?? startWorker();
    const progress = new Progress();
    const post = (message: ToWorker) => current.postMessage(message);
    current.ref();
    return new Promise((resolve, reject) => {
      let step = -1;
      let since = performance.now();
      const watch = setInterval(() => {
        const now = performance.now();
        if (progress.step !== step || progress.waiting) {
          step = progress.step;
          since = now;
          return;
        }
        if (now - since < deadlineMs) return;
        const hung = progress.address;
        end();
        if (hung === null) {
          dropWorker();
          return reject(new Error(`${sysfs}/bus/pci could not be listed within ${deadlineMs} ms`));
        }
        abandon(current, hung);
        resolve({ hung });
      }, deadlineMs / 4);

      const onMessage = ({ data }: MessageEvent<FromWorker>) => {
        if ("ask" in data) {
          // A pass that has ended waits for nothing, and its Worker is gone.
          verdictOn(data.ask).then((verdict) => worker === current && post({ verdict }), failed);
          return;
        }
        end();
        if ("error" in data) reject(new Error(data.error));
        else resolve(data);
      };
      const failed = (reason: Error) => {
        end();
        dropWorker();
        reject(reason);
      };
      const onError = ({ message }: ErrorEvent) => failed(new Error(`the scanning thread failed: ${message}`));
      const onClose = () => failed(new Error("the scanning thread ended"));
      function end(): void {
        clearInterval(watch);
        abort = null;
        current.removeEventListener("message", onMessage);
        current.removeEventListener("error", onError);
        current.removeEventListener("close", onClose);
      }
      abort = failed;
      current.addEventListener("message", onMessage);
      current.addEventListener("error", onError);
      current.addEventListener("close", onClose);
      post({ scan: { sysfs, skip: [...stuck], all: wanted === undefined, progress: progress.buffer } });
    });
  }

  async function scanOnce(): Promise<ScanResult> {
    for (;;) {
      const answer = await pass();
      if ("hung" in answer) continue;
      // Our own Worker wrote it.
      const result = JSON.parse(answer.result) as ScanResult;
      return memory.complete(result, stuck, `a read of it has not returned within ${deadlineMs} ms`);
    }
  }

  function rest(): void {
    if (worker === null) return;
    worker.unref();
    clearTimeout(idle);
    idle = setTimeout(dropWorker, idleMs);
    idle.unref();
  }

  return {
    scan() {
      if (closed) return Promise.reject(new Error("the scanner is closed"));
      clearTimeout(idle);
      running ??= scanOnce().finally(() => {
        running = null;
        if (closed) dropWorker();
        else rest();
      });
      return running;
    },
    close() {
      closed = true;
      if (abort) abort(new Error("the scanner was closed"));
      else dropWorker();
    },
  };
}
