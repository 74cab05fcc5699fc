/**
 * Runs `work` once at a time per key: calls that come meanwhile share one more run, begun when the present one ends. So
 * the last run always began after the last call, and a flood of calls is two runs.
 */
export function coalesce<K>(work: (key: K) => Promise<void>): (key: K) => Promise<void> {
  const running = new Map<K, { again: boolean; done: Promise<void> }>();
  return (key) => {
    const present = running.get(key);
    if (present) {
      present.again = true;
      return present.done;
    }
    const entry = { again: false, done: Promise.resolve() };
    running.set(key, entry);
    const run = async () => {
      try {
        do {
          entry.again = false;
          await work(key);
        } while (entry.again);
      } finally {
        running.delete(key);
      }
    };
    entry.done = run();
    return entry.done;
  };
}
