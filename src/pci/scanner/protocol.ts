import type { WantedIds } from "../sysfs/scan.ts";

/** What the scanner asks of its Worker. */
export interface ScanJob {
  sysfs: string;
  skip: readonly string[];
  /** Nothing is asked: every function is wanted. */
  all: boolean;
  progress: SharedArrayBuffer;
}

export type ToWorker = { scan: ScanJob } | { verdict: boolean };

/**
 * What it hears: whether functions with these ids are wanted, which the Worker asks once for each; then the result, as
 * JSON because that crosses threads in a third of the time of the objects themselves; or why there is none.
 */
export type FromWorker = { ask: WantedIds } | { result: string } | { error: string };

export const idsKey = ({ vendor_id, device_id, class: classCode, pf_ids: pf }: WantedIds): string =>
  `${vendor_id}:${device_id}:${classCode}${pf ? ` of ${pf.vendor_id}:${pf.device_id}:${pf.class}` : ""}`;
