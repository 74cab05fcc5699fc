import type { Facts, FactsQuery } from "../facts/facts.ts";

/** What touches the host for a setup: reads that can block, and the writes. One call at a time. */
export interface Hands {
  /** Null: the function is not there. */
  facts(query: FactsQuery): Promise<Facts | null>;
  /** Writes one attribute, as a line. Throws KernelError where the kernel refuses, BlockedError where it does not answer. */
  write(path: string, value: string, deadlineMs: number): Promise<void>;
  close(): void;
}

/** The kernel said no; `code` is the errno's name. */
export class KernelError extends Error {
  readonly code: string;
  constructor(path: string, code: string) {
    super(`${path}: the kernel answers ${code}${WORDS[code] ? `, ${WORDS[code]}` : ""}`);
    this.name = "KernelError";
    this.code = code;
  }
}

const WORDS: Record<string, string> = {
  EACCES: "permission denied",
  EPERM: "permission denied",
  EROFS: "the file system is read-only",
  EBUSY: "it is in use, or has VFs already",
  ENODEV: "it is gone, or no such driver is bound",
  ENOENT: "there is no such attribute, or no driver is bound that has it",
  EINVAL: "it does not take this value",
  ERANGE: "it is more than the device can do",
};

/** A call that has not returned: what it is on, and when it does after all. */
export class BlockedError extends Error {
  readonly ended: Promise<void>;
  constructor(message: string, ended: Promise<void>) {
    super(message);
    this.name = "BlockedError";
    this.ended = ended;
  }
}
