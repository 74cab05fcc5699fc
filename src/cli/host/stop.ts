import type { Log } from "../../world.ts";

/** The whole way out takes less than 5 s; what is not done by then is left. */
const DEADLINE_MS = 4500;

/**
 * Ends the process on SIGTERM or SIGINT: runs what was added, in that order, then exits 0. Further signals change
 * nothing: under `bun run` one signal to the process group arrives twice within a millisecond.
 */
export function stopOnSignal(log: Log): { readonly begun: boolean; add(step: () => Promise<void>): void } {
  const steps: (() => Promise<void>)[] = [];
  let begun = false;

  async function stop(signal: string): Promise<void> {
    if (begun) return;
    begun = true;
    log("info", "stopping", { signal });
    setTimeout(() => {
      log("warn", "not everything was finished in time", { deadline_ms: DEADLINE_MS });
      process.exit(0);
    }, DEADLINE_MS);
    // A plain loop: a step added while an earlier one runs (a signal in mid-start) is run too.
    for (const step of steps) {
      await step().catch((error) => log("error", "a step of stopping failed", { error }));
    }
    process.exit(0);
  }

  for (const signal of ["SIGTERM", "SIGINT"] as const) process.on(signal, () => void stop(signal));
  return {
    get begun() {
      return begun;
    },
    add: (step) => void steps.push(step),
  };
}
