import { scanning, type WantedIds } from "../sysfs/scan.ts";
import { Progress } from "./progress.ts";
import { type FromWorker, idsKey, type ScanJob, type ToWorker } from "./protocol.ts";

// Runs scans off the request loop: a read of sysfs blocks this thread and no other.
declare const self: Worker;
const post = (message: FromWorker) => self.postMessage(message);

const verdicts = new Map<string, boolean>();
let answered: (verdict: boolean) => void = () => {};

self.onmessage = ({ data }: MessageEvent<ToWorker>) => {
  if ("verdict" in data) answered(data.verdict);
  else
    scan(data.scan).then(
      (result) => post({ result }),
      (error) => post({ error: error instanceof Error ? error.message : String(error) }),
    );
};

async function scan({ sysfs, skip, all, progress: shared }: ScanJob): Promise<string> {
  const progress = new Progress(shared);
  const steps = scanning({ sysfs, skip: new Set(skip), onFunction: (address) => progress.enter(address) });
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
  return JSON.stringify(step.value);
}

/** Which ids are wanted is a function over there. */
function ask(ids: WantedIds): Promise<boolean> {
  return new Promise((resolve) => {
    answered = resolve;
    post({ ask: ids });
  });
}
