import { codeOf, Exit, reasonOf } from "./exit.ts";

/**
 * Writes all of `text` to stdout. A reader that has gone (`| head`) is the end of the work, not a failure of it. Throws Exit
 * where it cannot be written.
 */
export async function print(text: string): Promise<void> {
  // Bun empties a file that is written "" to, and what was there before is lost.
  if (text === "") return;
  try {
    if (typeof Bun !== "undefined") await Bun.write(Bun.stdout, text);
    else await written(text);
  } catch (error) {
    if (codeOf(error) === "EPIPE") process.exit(0);
    const why = codeOf(error) === "ENOSPC" ? "no space left on device (ENOSPC)" : reasonOf(error);
    throw new Exit(1, `cannot write the output: ${why}`);
  }
}

const written = (text: string) =>
  new Promise<void>((done, failed) => {
    process.stdout.write(text, (error) => (error ? failed(error) : done()));
  });
