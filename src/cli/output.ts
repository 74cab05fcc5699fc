import { codeOf } from "./exit.ts";

/** Writes all of `text` to stdout. A reader that has gone (`| head`) is the end of the work, not a failure of it. */
export async function print(text: string): Promise<void> {
  try {
    await Bun.write(Bun.stdout, text);
  } catch (error) {
    if (codeOf(error) === "EPIPE") process.exit(0);
    throw error;
  }
}
