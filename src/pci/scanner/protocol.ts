import type { WantedIds } from "../sysfs/scan.ts";

/** What the scanning thread can be asked for. */
export type Job =
  /**
   * A scan. `keep`: addresses, a space between two, that are left as they are known; one text crosses threads faster than
   * a thousand. `all`: nothing is asked, every function is wanted.
   */
  | { scan: { keep: string; all: boolean } }
  /** What looks different from outside since this was last asked. */
  | { digest: true }
  /** What is measured of the function at this address. */
  | { telemetry: string };

/** A job, and where it is done. */
export interface Order {
  job: Job;
  sysfs: string;
  skip: readonly string[];
  busy: readonly string[];
  progress: SharedArrayBuffer;
}

export type ToWorker = { order: Order } | { verdict: boolean };

/**
 * What it hears: whether functions with these ids are wanted, which the Worker asks once for each; then the result, as
 * JSON because that crosses threads in a third of the time of the objects themselves; or why there is none.
 */
export type FromWorker = { ask: WantedIds } | { result: string } | { error: string };

export const idsKey = ({ vendor_id, device_id, class: classCode, pf_ids: pf }: WantedIds): string =>
  `${vendor_id}:${device_id}:${classCode}${pf ? ` of ${pf.vendor_id}:${pf.device_id}:${pf.class}` : ""}`;
