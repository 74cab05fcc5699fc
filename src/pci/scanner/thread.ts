import type { WantedIds } from "../sysfs/scan.ts";
import { Progress } from "./progress.ts";
import { type FromWorker, idsKey, type Job, type ToWorker } from "./protocol.ts";

export interface ThreadOptions {
  /** The sysfs to read: `/sys`, or the root of a recorded tree. */
  sysfs: string;
  /** Which functions are read beyond their ids. Asked once for each ids and class; default: all are. */
  wanted?: ((ids: WantedIds) => boolean | Promise<boolean>) | undefined;
  /** How long one function may take before it counts as hung. */
  deadlineMs: number;
  /** How long an idle Worker is kept for the next job: 2 MB, against 20 ms to start it again. Null: for ever. */
  idleMs: number | null;
}

/** Does jobs in a Worker, one at a time, that a read which never returns can be left behind with. */
export interface Thread {
  /** Functions whose read has not returned. */
  readonly stuck: ReadonlySet<string>;
  /** The job's result as JSON, or the address of the function that it hung on: from now on that one is left alone. */
  run(job: Job, skip: ReadonlySet<string>): Promise<{ result: string } | { hung: string }>;
  /** Ends the Worker; a job in flight rejects. */
  close(): void;
}

export function createThread({ sysfs, wanted, deadlineMs, idleMs }: ThreadOptions): Thread {
  const verdicts = new Map<string, boolean>();
  const stuck = new Set<string>();
  /** Functions whose lock a read waits for: they answer, and are read without what takes the lock. */
  const busy = new Set<string>();
  let worker: Worker | null = null;
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

  /** Leaves the Worker to its read; its `close` event says that the read has returned. */
  function abandon(hung: Worker, address: string, known: Set<string>): void {
    known.add(address);
    hung.addEventListener("close", () => known.delete(address));
    dropWorker();
  }

  function rest(): void {
    if (closed) dropWorker();
    if (worker === null) return;
    worker.unref();
    clearTimeout(idle);
    if (idleMs === null) return;
    idle = setTimeout(dropWorker, idleMs);
    idle.unref();
  }

  async function verdictOn(ids: WantedIds): Promise<boolean> {
    const key = idsKey(ids);
    const verdict = verdicts.get(key) ?? (await wanted?.(ids)) ?? true;
    verdicts.set(key, verdict);
    return verdict;
  }

  function carryOut(job: Job, skip: ReadonlySet<string>): Promise<{ result: string } | { hung: string }> {
    const current = worker ?? startWorker();
    const progress = new Progress();
    // Until it takes the job: a thread that is slow to start, on a busy machine, is no bus that can't be listed.
    progress.waiting = true;
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
        const { locked } = progress;
        if (now - since < (locked ? deadlineMs / 4 : deadlineMs)) return;
        const hung = progress.address;
        end();
        if (hung === null) {
          dropWorker();
          return reject(new Error(`${sysfs}/bus/pci could not be listed within ${deadlineMs} ms`));
        }
        abandon(current, hung, locked ? busy : stuck);
        resolve({ hung });
      }, deadlineMs / 4);

      const onMessage = ({ data }: MessageEvent<FromWorker>) => {
        if ("ask" in data) {
          // A job that has ended waits for nothing, and its Worker is gone.
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
      post({ order: { job, sysfs, skip: [...skip], busy: [...busy], progress: progress.buffer } });
    });
  }

  return {
    stuck,
    run(job, skip) {
      if (closed) return Promise.reject(new Error("the scanner is closed"));
      clearTimeout(idle);
      return carryOut(job, skip).finally(rest);
    },
    close() {
      closed = true;
      if (abort) abort(new Error("the scanner was closed"));
      else dropWorker();
    },
  };
}
