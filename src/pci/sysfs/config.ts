import { SEEK_END } from "../../ffi/libc.ts";
import { HEADER_BYTES } from "../config/header.ts";
import type { ConfigSpace } from "../config/space.ts";
import { WITHHELD_FILE } from "../snapshot/snapshot.ts";
import type { SysfsReader } from "./reader.ts";

/** The first dword beyond what PCI without Express has (PCIe 6.0, 7.2). */
const EXTENDED = 0x100;
/** Unprivileged readers get 64 bytes, of a CardBus bridge 128 (drivers/pci/pci-sysfs.c, pci_read_config). */
const PRIVILEGED = 0x80;
const MAX = 4096;

/** A config space of which some parts may not be readable. */
export interface PartialConfig extends ConfigSpace {
  /** Bytes the file claims to have. */
  readonly fileSize: number;
  /** True where PCI Express registers can be read. */
  readonly extended: boolean;
  /** True where the kernel keeps all but the first bytes from this process, which has too few rights. */
  readonly withheld: boolean;
  /** errno of the last `peek` that failed, 0 for the end of the file. */
  readonly error: number;
  /** The dword at `offset`, or null where it can't be read. */
  peek(offset: number): number | null;
}

/**
 * The open `config` file of a function, read a dword at a time and each dword once: in a virtual machine every dword
 * traps, and in a card every one is a request on the link.
 */
export class SysfsConfig implements PartialConfig {
  error = 0;
  readonly #reader: SysfsReader;
  readonly #fd: number;
  readonly #known = new Map<number, number | null>();
  #size = -1;
  #fileSize = -1;

  constructor(reader: SysfsReader, fd: number) {
    this.#reader = reader;
    this.#fd = fd;
  }

  get fileSize(): number {
    if (this.#fileSize < 0) this.#fileSize = Math.min(Math.max(this.#reader.c.lseek(this.#fd, 0, SEEK_END), 0), MAX);
    return this.#fileSize;
  }

  /** Their first dword tells, which a walk of them needs anyway. */
  get extended(): boolean {
    return this.peek(EXTENDED) !== null;
  }

  get withheld(): boolean {
    const beyond = this.fileSize > EXTENDED ? EXTENDED : PRIVILEGED;
    return this.fileSize > beyond && this.peek(beyond) === null && this.error === 0;
  }

  get size(): number {
    if (this.#size < 0) this.#size = this.#readable();
    return this.#size;
  }

  u32(offset: number): number {
    const value = offset % 4 === 0 ? this.peek(offset) : null;
    if (value === null) throw new RangeError(`config dword ${offset} cannot be read`);
    return value;
  }

  peek(offset: number): number | null {
    const known = this.#known.get(offset);
    if (known !== undefined) return known;
    const { bytes } = this.#reader;
    const value = this.#reader.pread(this.#fd, offset) === 4 ? bytes.readUInt32LE(0) : null;
    if (value === null) this.error = this.#reader.error;
    this.#known.set(offset, value);
    return value;
  }

  #readable(): number {
    if (this.extended) return this.fileSize & ~3;
    if (this.fileSize <= 64) return this.fileSize;
    if (this.peek(PRIVILEGED) !== null) return Math.min(this.fileSize & ~3, EXTENDED);
    return this.peek(0x40) !== null ? Math.min(this.fileSize & ~3, PRIVILEGED) : 64;
  }
}

/** The `config` file of a recorded tree, read at once: nothing is asked by it, and a call costs more than its bytes. */
export class RecordedConfig implements PartialConfig {
  readonly error: number;
  readonly size: number;
  readonly fileSize: number;
  readonly withheld: boolean;
  readonly #bytes: DataView;

  /** Valid until the reader reads the next one. */
  constructor(reader: SysfsReader, fd: number, directory: number) {
    this.#bytes = reader.config;
    this.size = Math.max(reader.readConfig(fd), 0);
    this.error = reader.error;
    // Only of a size that an unprivileged reader gets can there be more: others don't pay for a look.
    const short = this.size === HEADER_BYTES || this.size === PRIVILEGED;
    const claimed = short && reader.read(directory, WITHHELD_FILE) ? (reader.decimal() ?? 0) : 0;
    this.withheld = claimed > this.size && claimed <= MAX;
    this.fileSize = this.withheld ? claimed : this.size;
  }

  get extended(): boolean {
    return this.size >= EXTENDED + 4;
  }

  u32(offset: number): number {
    const value = this.peek(offset);
    if (value === null || offset % 4 !== 0) throw new RangeError(`config dword ${offset} cannot be read`);
    return value;
  }

  peek(offset: number): number | null {
    return offset + 4 <= this.size ? this.#bytes.getUint32(offset, true) : null;
  }
}
