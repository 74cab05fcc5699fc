import { lstat, mkdir, stat, unlink } from "node:fs/promises";
import { connect } from "node:net";
import { dirname } from "node:path";
import { codeOf } from "../exit.ts";

/** Makes way for a unix socket: a stale one is unlinked; a live one, or anything else at that path, is an Error. */
export async function clearSocketPath(path: string): Promise<void> {
  const directory = dirname(path);
  await mkdir(directory, { recursive: true, mode: 0o700 });
  // Where others may rename files they could put their own socket in place of ours; in /tmp the sticky bit forbids it.
  const { mode } = await stat(directory);
  if (mode & 0o022 && !(mode & 0o1000)) {
    throw new Error(
      `expected a directory that only its owner writes to, found ${directory} with mode ${(mode & 0o7777).toString(8)}`,
    );
  }
  const found = await lstat(path).catch((error) => {
    if (codeOf(error) === "ENOENT") return null;
    throw error;
  });
  if (!found) return;
  if (!found.isSocket()) throw new Error("there is a file that is no socket");
  if (await answers(path)) throw new Error("another process listens there");
  await unlink(path);
}

/** Calls `work` with a umask that leaves what it makes to its owner alone. */
export function privately<T>(work: () => T): T {
  const before = process.umask(0o177);
  try {
    return work();
  } finally {
    process.umask(before);
  }
}

const answers = (path: string) =>
  new Promise<boolean>((done) => {
    const socket = connect(path);
    socket.once("connect", () => {
      socket.destroy();
      done(true);
    });
    // A full accept queue (EAGAIN) or a denied one is not a dead one.
    socket.once("error", (error) => done(codeOf(error) !== "ECONNREFUSED" && codeOf(error) !== "ENOENT"));
  });
