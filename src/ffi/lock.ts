import { AT_FDCWD, cString, ERRNO, errno, errnoName, type Libc, LOCK_EX, LOCK_NB, libc, O } from "./libc.ts";

/** A lock that is held until `release()` or until the process ends, however it ends. */
export interface Lock {
  release(): void;
}

/**
 * Takes the lock file at `path` (created 0600), or says who has it; `heldBy` is null when the holder has not yet written
 * its process id. flock(2) dies with its holder, so a file left behind locks nobody out. Throws when the file can't be
 * opened.
 */
export function acquireLock(path: string): Lock | { heldBy: number | null } {
  const c = libc();
  const fd = c.openat(AT_FDCWD, cString(path), O.RDWR | O.CREAT | O.CLOEXEC | O.NOFOLLOW, 0o600);
  if (fd < 0) throw new Error(`the lock file ${path} cannot be opened: ${errnoName(errno(c))}`);
  while (c.flock(fd, LOCK_EX | LOCK_NB) < 0) {
    const code = errno(c);
    if (code === ERRNO.EINTR) continue;
    const heldBy = code === ERRNO.EAGAIN ? readPid(c, fd) : null;
    c.close(fd);
    if (code === ERRNO.EAGAIN) return { heldBy };
    throw new Error(`the lock file ${path} cannot be locked: ${errnoName(code)}`);
  }
  const pid = new TextEncoder().encode(`${process.pid}\n`);
  c.ftruncate(fd, 0);
  c.pwrite(fd, pid, pid.length, 0);
  let held = true;
  return {
    // The file stays: removing it would let a third process lock a new file while a second one holds the old.
    release() {
      if (!held) return;
      held = false;
      c.ftruncate(fd, 0);
      c.close(fd);
    },
  };
}

function readPid(c: Libc, fd: number): number | null {
  const buffer = new Uint8Array(16);
  const length = c.pread(fd, buffer, buffer.length, 0);
  const pid = Number.parseInt(new TextDecoder().decode(buffer.subarray(0, Math.max(0, length))), 10);
  return Number.isSafeInteger(pid) && pid > 0 ? pid : null;
}
