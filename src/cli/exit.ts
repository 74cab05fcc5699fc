import { failureOf } from "../client/failure.ts";
import { printable } from "./text.ts";

/** Why the program ends: one line (or several) for people, and the exit status. 1 could not, 2 bad usage, 3 waited in vain. */
export class Exit extends Error {
  readonly status: 1 | 2 | 3;
  constructor(status: 1 | 2 | 3, message: string) {
    super(message);
    this.name = "Exit";
    this.status = status;
  }
}

/** It does not answer, or not now: the same may go well later. */
export class Away extends Exit {
  constructor(message: string) {
    super(1, message);
  }
}

/** Nothing is called so: it may come yet. */
export class NotThere extends Exit {
  constructor(message: string) {
    super(1, message);
  }
}

const WORDS: Record<string, string> = {
  ENOENT: "it does not exist",
  EACCES: "permission denied",
  EPERM: "permission denied",
  EROFS: "the file system is read-only",
  ENOSPC: "the disk is full",
  EDQUOT: "the disk quota is used up",
  ENOTDIR: "a part of the path is no directory",
  EISDIR: "it is a directory",
  EADDRINUSE: "the port is taken",
  EADDRNOTAVAIL: "this machine has no such address",
  EPROTO: "the TLS handshake failed: it may want a client certificate, or speak no TLS",
};

/** What went wrong, in one line. */
export function reasonOf(error: unknown): string {
  const code = codeOf(error);
  if (code && WORDS[code]) return `${WORDS[code]} (${code})`;
  return failureOf(error).split("\n")[0] ?? "";
}

/** The errno name of a failed system call, such as `ENOENT`. */
export const codeOf = (error: unknown): string | null =>
  error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : null;

/** Characters of a message that are shown. */
const MOST = 1_000;

/**
 * What nobody thought of, for whoever mends it. Of a tier that is asked the program reads what its API says: what is none, or
 * one of another version, ends here, too, and its words are in the messages of the engine.
 */
export function bugText(error: unknown): string {
  const { message, stack = "" } = error instanceof Error ? error : new Error(String(error));
  const at = stack.split("\n").filter((line) => /^\s+at /.test(line));
  const said = `sinew: a bug, unless what was asked is no Sinew, or a newer one: ${message.slice(0, MOST)}`;
  return [said, ...at].map(printable).join("\n");
}
