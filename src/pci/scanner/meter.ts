import type { Measurement } from "../../contract/device/telemetry.ts";
import { createThread } from "./thread.ts";

export interface Meter {
  /**
   * What is measured of the function at `address` now; null where there is none. Calls that come meanwhile share the
   * answer. Rejects with MeterBusy while a read of it does not return, and where the bus can't be read.
   */
  measure(address: string): Promise<Measurement[] | null>;
  close(): void;
}

/** A read of the function has not returned. */
export class MeterBusy extends Error {}

/**
 * Measures in a Worker of its own: a sensor asks the device, and one that is slow to answer must neither hold up a scan
 * nor pass for a function that hangs.
 */
export function createMeter({
  sysfs,
  deadlineMs = 2000,
  idleMs = 5000,
}: {
  sysfs: string;
  deadlineMs?: number;
  idleMs?: number;
}): Meter {
  const thread = createThread({ sysfs, deadlineMs, idleMs });
  const running = new Map<string, Promise<Measurement[] | null>>();
  let last: Promise<unknown> = Promise.resolve();

  async function measure(address: string): Promise<Measurement[] | null> {
    const late = new MeterBusy(
      `a read of ${address} has not returned within ${deadlineMs} ms: it is asked again when it has`,
    );
    if (thread.stuck.has(address)) throw late;
    const answer = await thread.run({ telemetry: address }, new Set());
    if ("hung" in answer) throw late;
    // Our own Worker wrote it.
    return JSON.parse(answer.result) as Measurement[] | null;
  }

  return {
    measure(address) {
      const known = running.get(address);
      if (known) return known;
      // The thread does one thing at a time.
      const done = last.then(() => measure(address)).finally(() => running.delete(address));
      last = done.catch(() => {});
      running.set(address, done);
      return done;
    },
    close: () => thread.close(),
  };
}
