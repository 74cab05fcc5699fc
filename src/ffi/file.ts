import { readFileSync } from "node:fs";

/** The first of these files that can be read; empty without one. */
export function readFirst(paths: readonly string[]): Buffer {
  for (const path of paths) {
    try {
      return readFileSync(path);
    } catch {
      // The next one: which of them a distribution has is what is being found out.
    }
  }
  return Buffer.alloc(0);
}
