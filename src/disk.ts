import { type FileHandle, open, rename } from "node:fs/promises";
import { dirname } from "node:path";

/** Replaces a file as a whole: written beside it, flushed, renamed, and the directory flushed (rename(2) alone may be lost). */
export async function replaceFile(path: string, text: string): Promise<void> {
  const beside = `${path}.tmp`;
  await withFile(await open(beside, "w", 0o600), async (file) => {
    await file.writeFile(text);
    await file.sync();
  });
  await rename(beside, path);
  await syncDirectory(dirname(path));
}

/** What was made, renamed or removed in a directory is so after a power failure, too. */
export async function syncDirectory(path: string): Promise<void> {
  await withFile(await open(path, "r"), (directory) => directory.sync());
}

/** Adds one line to a file, made where there is none, and flushes it. A line that a power failure cut off stays alone. */
export async function appendLine(path: string, line: string): Promise<void> {
  await withFile(await open(path, "a", 0o600), async (file) => {
    await file.writeFile(`\n${line}`);
    await file.sync();
  });
}

async function withFile(file: FileHandle, work: (file: FileHandle) => Promise<void>): Promise<void> {
  try {
    await work(file);
  } finally {
    await file.close();
  }
}
