import { Progress } from "../../pci/scanner/progress.ts";
import type { SnapshotFunction } from "../../pci/snapshot/snapshot.ts";
import { type About, readTree } from "./read.ts";

/** What is asked of the recording thread. */
export interface RecordJob {
  sysfs: string;
  about: About;
  skip: readonly string[];
  progress: SharedArrayBuffer;
}

/** What it tells: how far it has come with a function; then the snapshot as JSON, or why there is none. */
export type FromRecorder = { known: string; fn: SnapshotFunction } | { result: string } | { error: string };

// Reads in a thread of its own: a file of sysfs that does not answer stops this thread for ever, and no other.
declare const self: Worker;
const post = (message: FromRecorder) => self.postMessage(message);

self.onmessage = ({ data: { sysfs, about, skip, progress: shared } }: MessageEvent<RecordJob>) => {
  const progress = new Progress(shared);
  try {
    const taken = readTree(sysfs, about, {
      skip: new Set(skip),
      onFile: (address, file) => progress.enter(address === null ? file : `${address} ${file}`),
      onKnown: (known, fn) => post({ known, fn }),
    });
    post({ result: JSON.stringify(taken) });
  } catch (error) {
    post({ error: error instanceof Error ? error.message : String(error) });
  }
};
