import { scanPci } from "../sysfs/scan.ts";
import { Progress } from "./progress.ts";
import { idsKey, type ScanAnswer, type ScanJob } from "./protocol.ts";

// Runs scans off the request loop: a read of sysfs blocks this thread and no other.
declare const self: Worker;

self.onmessage = ({ data: job }: MessageEvent<ScanJob>) => self.postMessage(answer(job));

function answer({ sysfs, skip, verdicts, progress: shared }: ScanJob): ScanAnswer {
  const progress = new Progress(shared);
  const unknown: ScanAnswer["unknown"] = new Map();
  // Which ids are wanted is a function over there. Ids it has not judged yet are collected, and asked about once.
  const wanted =
    verdicts === null
      ? undefined
      : (ids: Parameters<typeof idsKey>[0]) => {
          const key = idsKey(ids);
          const verdict = verdicts.get(key);
          if (verdict === undefined) unknown.set(key, ids);
          return verdict ?? false;
        };
  try {
    const onFunction = (address: string) => progress.enter(address);
    const result = scanPci({ sysfs, wanted, skip: new Set(skip), onFunction });
    return { unknown, result: unknown.size > 0 ? null : result, error: null };
  } catch (error) {
    return { unknown, result: null, error: error instanceof Error ? error.message : String(error) };
  }
}
