import { lstatSync } from "node:fs";
import { type DenoApi, deno } from "../../deno.ts";
import type { Lock } from "../../ffi/lock.ts";
import { codeOf } from "../exit.ts";

/**
 * Takes the lock file at `path`, or says who has it, on Bun or Deno: both by flock(2), so processes of either keep each
 * other out. Throws when the file can't be opened.
 */
export async function acquireLock(path: string): Promise<Lock | { heldBy: number | null }> {
  const api = deno();
  return api ? onDeno(api, path) : (await import("../../ffi/lock.ts")).acquireLock(path);
}

function onDeno(api: DenoApi, path: string): Lock | { heldBy: number | null } {
  refuseLink(path);
  const file = api.openSync(path, { read: true, write: true, create: true, mode: 0o600 });
  if (!file.tryLockSync(true)) {
    const bytes = new Uint8Array(16);
    const length = file.readSync(bytes) ?? 0;
    file.close();
    const pid = Number.parseInt(new TextDecoder().decode(bytes.subarray(0, length)), 10);
    return { heldBy: pid > 0 ? pid : null };
  }
  file.truncateSync(0);
  file.writeSync(new TextEncoder().encode(`${process.pid}\n`));
  let held = true;
  return {
    // The file stays: removing it would let a third process lock a new file while a second one holds the old.
    release() {
      if (!held) return;
      held = false;
      file.truncateSync(0);
      file.close();
    },
  };
}

// Deno has no O_NOFOLLOW; a look beforehand is enough in a directory that only its owner writes to.
function refuseLink(path: string): void {
  try {
    if (!lstatSync(path).isSymbolicLink()) return;
  } catch (error) {
    if (codeOf(error) === "ENOENT") return;
    throw error;
  }
  throw new Error(`the lock file ${path} cannot be opened: it is a link`);
}
