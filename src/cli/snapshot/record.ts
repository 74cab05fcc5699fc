import { Progress } from "../../pci/scanner/progress.ts";
import { isAddress, isRecorded, type Snapshot, type SnapshotFunction } from "../../pci/snapshot/snapshot.ts";
import type { About } from "./read.ts";
import type { FromRecorder, RecordJob } from "./worker.ts";

/** A file that did not answer. */
export interface Hung {
  address: string;
  file: string;
}

/**
 * Records the bus in a Worker: a function with a file that does not answer is recorded as far as it had come, and the
 * others are read without it. Rejects when the bus can't be read.
 */
export async function record(
  sysfs: string,
  about: About,
  deadlineMs = 2000,
): Promise<{ snapshot: Snapshot; hung: Hung[] }> {
  const known = new Map<string, SnapshotFunction>();
  const hung: Hung[] = [];
  for (;;) {
    const skip = hung.map(({ address }) => address);
    const answer = await pass({ sysfs, about, skip }, known, deadlineMs);
    if ("hung" in answer) {
      hung.push(answer.hung);
      continue;
    }
    // Our own Worker wrote it.
    const snapshot = JSON.parse(answer.result) as Snapshot;
    for (const { address, file } of hung) {
      const fn = known.get(address) ?? nothingOf(address);
      const unreadable = isRecorded(file) ? { ...fn.unreadable, [file]: "ETIMEDOUT" } : fn.unreadable;
      snapshot.functions[address] = { ...fn, unreadable };
    }
    const sorted = Object.entries(snapshot.functions).sort(([a], [b]) => (a < b ? -1 : 1));
    return { snapshot: { ...snapshot, functions: Object.fromEntries(sorted) }, hung };
  }
}

const nothingOf = (address: string): SnapshotFunction => ({
  device: `bus/pci/devices/${address}`,
  attributes: {},
  links: {},
  config: null,
  unreadable: {},
});

/** One pass over the bus: its result as JSON, or the file that it hung on. */
function pass(
  job: Omit<RecordJob, "progress">,
  known: Map<string, SnapshotFunction>,
  deadlineMs: number,
): Promise<{ result: string } | { hung: Hung }> {
  // Deno has workers of no other type.
  const worker = new Worker(new URL("./worker.ts", import.meta.url).href, { type: "module", smol: true });
  const progress = new Progress();
  return new Promise<{ result: string } | { hung: Hung }>((resolve, reject) => {
    let step = -1;
    let since = performance.now();
    const watch = setInterval(() => {
      const now = performance.now();
      if (progress.step !== step) {
        step = progress.step;
        since = now;
      } else if (now - since >= deadlineMs) {
        const [address = "", file = ""] = (progress.address ?? "").split(" ", 2);
        end();
        if (isAddress(address)) resolve({ hung: { address, file } });
        else reject(new Error(`${progress.address ?? "bus/pci"} did not answer within ${deadlineMs} ms`));
      }
    }, deadlineMs / 4);
    function end(): void {
      clearInterval(watch);
      // Unreferenced first: the process must be able to end while this thread is stuck in a read.
      // Deno has no such method.
      worker.unref?.();
      worker.terminate();
    }
    const failed = (why: string) => {
      end();
      reject(new Error(why));
    };
    worker.onmessage = ({ data }: MessageEvent<FromRecorder>) => {
      if ("known" in data) {
        known.set(data.known, data.fn);
        return;
      }
      if ("error" in data) return failed(data.error);
      end();
      resolve(data);
    };
    worker.onerror = ({ message }) => failed(`the recording thread failed: ${message}`);
    worker.postMessage({ ...job, progress: progress.buffer } satisfies RecordJob);
  });
}
