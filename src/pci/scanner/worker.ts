import { changesSince } from "../sysfs/digest.ts";
import { type ScanOptions, scanning, type WantedIds } from "../sysfs/scan.ts";
import { readTelemetry } from "../telemetry/measure.ts";
import { Progress } from "./progress.ts";
import { type FromWorker, idsKey, type Job, type Order, type ToWorker } from "./protocol.ts";

// Reads off the request loop: a read of sysfs blocks this thread and no other.
declare const self: Worker;
const post = (message: FromWorker) => self.postMessage(message);

const verdicts = new Map<string, boolean>();
let answered: (verdict: boolean) => void = () => {};
/** What each function last looked like from outside; null before the first look. */
let outside: Map<string, string> | null = null;

self.onmessage = ({ data }: MessageEvent<ToWorker>) => {
  if ("verdict" in data) answered(data.verdict);
  else
    carryOut(data.order).then(
      (result) => post({ result: JSON.stringify(result) }),
      (error) => post({ error: error instanceof Error ? error.message : String(error) }),
    );
};

async function carryOut({ job, sysfs, skip, busy, progress: shared }: Order): Promise<unknown> {
  const progress = new Progress(shared);
  progress.waiting = false;
  const where = {
    sysfs,
    skip: new Set(skip),
    busy: new Set(busy),
    onFunction: (address: string) => progress.enter(address),
    onLocked(locked: boolean) {
      progress.locked = locked;
    },
  };
  if ("telemetry" in job) {
    progress.enter(job.telemetry);
    return readTelemetry({ sysfs, address: job.telemetry });
  }
  if ("scan" in job) return scan(job.scan, where, progress);
  const { now, changed } = changesSince(outside, where);
  outside = now;
  return changed;
}

type Where = Pick<ScanOptions, "sysfs" | "skip" | "busy" | "onFunction" | "onLocked">;

async function scan({ keep, all }: Extract<Job, { scan: unknown }>["scan"], where: Where, progress: Progress) {
  const steps = scanning({ ...where, keep: keep === "" ? undefined : new Set(keep.split(" ")) });
  let step = steps.next();
  while (!step.done) {
    const ids = step.value;
    const key = all ? "" : idsKey(ids);
    let wanted = all || verdicts.get(key);
    if (wanted === undefined) {
      progress.waiting = true;
      wanted = await ask(ids);
      progress.waiting = false;
      verdicts.set(key, wanted);
    }
    step = steps.next(wanted);
  }
  return step.value;
}

/** Which ids are wanted is a function over there. */
function ask(ids: WantedIds): Promise<boolean> {
  return new Promise((resolve) => {
    answered = resolve;
    post({ ask: ids });
  });
}
