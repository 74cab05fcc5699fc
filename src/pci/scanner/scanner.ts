import type { ScanPass, ScanResult } from "../sysfs/scan.ts";
import { ScanMemory } from "./memory.ts";
import type { Job } from "./protocol.ts";
import { createThread, type ThreadOptions } from "./thread.ts";

export type ScannerOptions = Pick<ThreadOptions, "sysfs" | "wanted"> & Partial<ThreadOptions>;

export interface Scanner {
  /**
   * Looks at everything; calls while such a scan waits or runs get that scan's result. Rejects when the bus can't be read
   * or the Worker dies.
   */
  scan(): Promise<ScanResult>;
  /**
   * Looks again at these functions, or at all, at those that came since, and at what belongs to either. The rest is as it
   * was last seen: the very same objects. Begins after what runs already, and is joined by nobody.
   */
  rescan(what: ReadonlySet<string> | "all"): Promise<ScanResult>;
  /**
   * Functions that look different from outside than when this was last asked, without a look at any device. Null when
   * that is not known: the first time, and after a hang.
   */
  changed(): Promise<string[] | null>;
  /** False for a function that was seen and is not wanted: what happens to it concerns nobody. */
  concerns(address: string): boolean;
  /** Ends the Worker; a scan in flight rejects. */
  close(): void;
}

/**
 * Scans in a Worker, so that a read which never returns stops nothing: the function it is on is reported as hung, that
 * Worker is abandoned, and later scans leave the function alone until the read has returned after all.
 */
export function createScanner({ deadlineMs = 2000, idleMs = 5000, ...options }: ScannerOptions): Scanner {
  const thread = createThread({ ...options, deadlineMs, idleMs });
  const memory = new ScanMemory(`a read of it has not returned within ${deadlineMs} ms`);
  const all = options.wanted === undefined;
  let last: Promise<unknown> = Promise.resolve();
  let asked: Promise<ScanResult> | null = null;

  /** One after the other: so a later result is a newer one. */
  function inTurn<T>(work: () => Promise<T>): Promise<T> {
    const done = last.then(work);
    // Whoever asked hears of a failure; the next in turn does not care.
    last = done.catch(() => {});
    return done;
  }

  /** Until a pass gets through: each that hangs leaves one more function out. */
  async function through(job: Job): Promise<{ result: string; skipped: ReadonlySet<string> }> {
    for (;;) {
      // As it is now: a read that returns meanwhile was left out of this pass all the same.
      const skipped = new Set(thread.stuck);
      const answer = await thread.run(job, skipped);
      if ("result" in answer) return { ...answer, skipped };
    }
  }

  async function look(what: ReadonlySet<string> | "all"): Promise<ScanResult> {
    const keep = what === "all" ? new Set<string>() : memory.allBut(what);
    const { result, skipped } = await through({ scan: { keep: [...keep].join(" "), all } });
    // Our own Worker wrote it.
    const pass = JSON.parse(result) as ScanPass;
    return memory.take(pass, keep, skipped);
  }

  async function lookAgain(what: ReadonlySet<string> | "all"): Promise<ScanResult> {
    const first = await look(what);
    return memory.again.size === 0 ? first : look(memory.again);
  }

  return {
    scan() {
      asked ??= inTurn(() => lookAgain("all")).finally(() => {
        asked = null;
      });
      return asked;
    },
    rescan: (what) => inTurn(() => lookAgain(what)),
    changed: () =>
      inTurn(async () => {
        const { result } = await through({ digest: true });
        return JSON.parse(result) as string[] | null; // our own Worker wrote it
      }),
    concerns: (address) => memory.concerns(address),
    close: () => thread.close(),
  };
}
