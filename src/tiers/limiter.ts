/** Runs at most `width` works at a time, in the order they came. */
export function createLimiter(width: number): <T>(work: () => Promise<T>) => Promise<T> {
  let running = 0;
  const waiting: (() => void)[] = [];
  return async (work) => {
    if (running >= width) await new Promise<void>((resume) => waiting.push(resume));
    else running += 1;
    try {
      return await work();
    } finally {
      // The place is handed on, not given up: a newcomer can't slip in before the one that waits.
      const next = waiting.shift();
      if (next) next();
      else running -= 1;
    }
  };
}
