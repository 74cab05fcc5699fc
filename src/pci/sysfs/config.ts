import { SEEK_END } from "../../ffi/libc.ts";
import type { ConfigSpace } from "../config/space.ts";
import type { SysfsReader } from "./reader.ts";

/** The first dword beyond what PCI without Express has (PCIe 6.0, 7.2). */
const EXTENDED = 0x100;
const MAX = 4096;

/**
 * The open `config` file of a function, read a dword at a time and each dword once: in a virtual machine every dword
 * traps, and in a card every one is a request on the link.
 */
export class SysfsConfig implements ConfigSpace {
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

  /** Bytes the file claims; the kernel gives less without privileges. */
  get fileSize(): number {
    if (this.#fileSize < 0) this.#fileSize = Math.min(Math.max(this.#reader.c.lseek(this.#fd, 0, SEEK_END), 0), MAX);
    return this.#fileSize;
  }

  /** True where PCI Express registers can be read. Their first dword tells, which a walk of them needs anyway. */
  get extended(): boolean {
    return this.peek(EXTENDED) !== null;
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

  /** The dword at `offset`, or null where it can't be read: `error` is then an errno, or 0 for the end of the file. */
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
    // Unprivileged readers get 64 bytes, of a CardBus bridge 128 (drivers/pci/pci-sysfs.c, pci_read_config).
    if (this.peek(0x80) !== null) return Math.min(this.fileSize & ~3, EXTENDED);
    return this.peek(0x40) !== null ? Math.min(this.fileSize & ~3, 0x80) : 64;
  }
}
