import { ERRNO, errnoName } from "../../ffi/libc.ts";
import type { PciProblem } from "../function.ts";
import { isAbsent, type SysfsReader } from "./reader.ts";

/** One function's directory while it is read, and what went wrong there. `close()` when done. */
export class SysfsEntry {
  readonly reader: SysfsReader;
  readonly address: string;
  readonly directory: number;
  readonly problems: PciProblem[] = [];
  #asleep: boolean | null = null;

  constructor(reader: SysfsReader, address: string, directory: number) {
    this.reader = reader;
    this.address = address;
    this.directory = directory;
  }

  close(): void {
    this.reader.close(this.directory);
  }

  /** In runtime suspend, or on the way into it. */
  get asleep(): boolean {
    this.#asleep ??= isAsleep(this.reader, this.directory);
    return this.#asleep;
  }

  /** The first of each kind tells; a dying function has many. */
  note(reason: PciProblem["reason"], message: string): void {
    if (!this.problems.some((problem) => problem.reason === reason)) this.problems.push({ reason, message });
  }

  failed(name: string, code: number): void {
    if (code === ERRNO.ENODEV || code === ERRNO.ENXIO) this.note("Vanished", `it went away while ${name} was read`);
    else this.note("Unreadable", `${name} cannot be read: ${errnoName(code)}`);
  }

  /** Reads an attribute into the reader's bytes; false where there is none or, which is noted, it can't be read. */
  read(name: string): boolean {
    if (this.reader.read(this.directory, name)) return true;
    if (!isAbsent(this.reader.error)) this.failed(name, this.reader.error);
    return false;
  }

  /** A hexadecimal attribute up to `max`; -1 where there is none. Anything else in it is noted. */
  number(name: string, max: number): number {
    if (!this.read(name)) return -1;
    const { reader } = this;
    const value = reader.hex(max);
    if (value < 0) {
      const found = JSON.stringify(reader.bytes.toString("latin1", 0, Math.min(reader.length, 16)));
      this.note("Unreadable", `${name} should hold a hexadecimal number up to ${max.toString(16)}, found ${found}`);
    }
    return value;
  }
}

/** True in runtime suspend, and on the way into it: then a config read would wake the function. */
export function isAsleep(reader: SysfsReader, directory: number): boolean {
  return reader.read(directory, "power/runtime_status") && reader.bytes.toString("latin1", 0, 7) === "suspend";
}
