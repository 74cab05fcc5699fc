import { writeSync } from "node:fs";
import { codeOf } from "../exit.ts";

/** Writes to stderr without `process.stderr`, which brings node's streams with it, for a line now and then. */
export function writeError(text: string): void {
  let rest = new TextEncoder().encode(text);
  try {
    while (rest.length > 0) rest = rest.subarray(writeSync(2, rest));
  } catch (error) {
    // A pipe that is full and does not block; any other failure means that nobody reads the log, and work goes on.
    if (codeOf(error) === "EAGAIN") process.stderr.write(rest);
  }
}
