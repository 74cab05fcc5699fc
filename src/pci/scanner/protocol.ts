import type { PciIds, ScanResult } from "../sysfs/scan.ts";

/** What the scanner asks of its Worker. */
export interface ScanJob {
  sysfs: string;
  skip: readonly string[];
  /** Which ids are wanted, by `idsKey`; null: all. */
  verdicts: ReadonlyMap<string, boolean> | null;
  progress: SharedArrayBuffer;
}

/** What it answers: ids it needs a verdict on, or a result, or why there is none. */
export interface ScanAnswer {
  unknown: Map<string, PciIds>;
  result: ScanResult | null;
  error: string | null;
}

export const idsKey = (ids: PciIds): string => `${ids.vendor_id}:${ids.device_id}:${ids.class}`;
