import { AT_FDCWD, cString, ERRNO, errno, errnoName, type Libc, libc, O } from "../../ffi/libc.ts";

/** A failed call: what was asked for and why it failed. `code` is an errno. */
export class SysfsError extends Error {
  readonly code: number;
  constructor(what: string, code: number) {
    super(`${what}: ${errnoName(code)}`);
    this.name = "SysfsError";
    this.code = code;
  }
}

/** f_type of a real sysfs (linux/magic.h). */
const SYSFS_MAGIC = 0x62656572;

/** sysfs never gives more than a page for an attribute; whatever is longer is cut here. */
const PAGE = 4096;

/** Names of attributes as C wants them, made once. */
const encoded = new Map<string, Uint8Array<ArrayBuffer>>();
function cName(name: string): Uint8Array<ArrayBuffer> {
  let bytes = encoded.get(name);
  if (bytes === undefined) {
    bytes = cString(name);
    encoded.set(name, bytes);
  }
  return bytes;
}

/**
 * Reads small files below open directories. A scan makes some fifty calls for each function, so nothing is allocated
 * for one: attributes land in one buffer, and `length` of its bytes are what was read last.
 */
export class SysfsReader {
  readonly c: Libc = libc();
  readonly bytes = Buffer.alloc(PAGE);
  /** The config space that `readConfig` read last. */
  readonly config = new DataView(new ArrayBuffer(PAGE));
  /** Bytes read by the last call; after a failure 0. */
  length = 0;
  /** errno of the last call; 0 when it was good. */
  error = 0;
  readonly #name = Buffer.alloc(256);
  #listing: Buffer<ArrayBuffer> | null = null;
  readonly #configBytes = new Uint8Array(this.config.buffer);

  /** A descriptor for paths below the directory `path`, or -1 with `error`. */
  openRoot(path: string): number {
    return this.#result(this.c.openat(AT_FDCWD, cString(path), O.RDONLY | O.DIRECTORY | O.CLOEXEC, 0));
  }

  /** The same for an entry that is no fixed name, such as an address. It can't be listed, only looked into. */
  openEntry(directory: number, name: string): number {
    return this.#result(this.c.openat(directory, this.#cEntry(name), O.PATH | O.DIRECTORY | O.CLOEXEC, 0));
  }

  /** A descriptor of the directory `name`, one of a few, that can be listed; or -1 with `error`. */
  openList(directory: number, name: string): number {
    return this.#result(this.c.openat(directory, cName(name), O.RDONLY | O.DIRECTORY | O.CLOEXEC, 0));
  }

  /** True when the kernel itself answers below the directory, and no recorded tree. */
  isSysfs(directory: number): boolean {
    // struct statfs has f_type first and is 120 bytes on 64-bit architectures.
    return this.#result(this.c.fstatfs(directory, this.bytes)) === 0 && this.bytes.readUInt32LE(0) === SYSFS_MAGIC;
  }

  /** A descriptor of the file `name`, or -1 with `error`. */
  open(directory: number, name: string): number {
    return this.#result(this.c.openat(directory, cName(name), O.RDONLY | O.CLOEXEC, 0));
  }

  close(fd: number): void {
    this.c.close(fd);
  }

  /** Reads up to a page of the file `name` into `bytes`; false with `error` when that fails. */
  read(directory: number, name: string): boolean {
    const fd = this.open(directory, name);
    if (fd < 0) return false;
    const length = this.#result(this.c.read(fd, this.bytes, PAGE));
    this.c.close(fd);
    if (length < 0) return false;
    this.length = length;
    return true;
  }

  /** The rest of an open file as text, a character a byte, and no more than `limit` of it; what fails ends it. */
  all(fd: number, limit: number): string {
    let text = "";
    while (text.length < limit) {
      const length = this.#result(this.c.read(fd, this.bytes, PAGE));
      if (length <= 0) break;
      text += this.bytes.toString("latin1", 0, length);
    }
    return text.slice(0, limit);
  }

  /** Reads one dword of an open file into `bytes`; how many bytes came, or -1 with `error`. */
  pread(fd: number, offset: number): number {
    return this.#result(this.c.pread(fd, this.bytes, 4, offset));
  }

  /** Reads up to a page of an open file into `config`; how many bytes came, or -1 with `error`. */
  readConfig(fd: number): number {
    return this.#result(this.c.pread(fd, this.#configBytes, PAGE, 0));
  }

  /** Reads where the link `name` leads into `bytes`; false with `error`, EINVAL when it is no link. */
  readLink(directory: number, name: string): boolean {
    return this.#link(directory, cName(name));
  }

  readEntryLink(directory: number, name: string): boolean {
    return this.#link(directory, this.#cEntry(name));
  }

  /** The names in the open directory, unsorted, without the two dots. Throws SysfsError. */
  list(directory: number, what: string): string[] {
    this.#listing ??= Buffer.alloc(32 * 1024);
    const buffer = this.#listing;
    const names: string[] = [];
    for (;;) {
      const length = this.#result(this.c.getdents64(directory, buffer, buffer.length));
      if (length < 0) throw new SysfsError(what, this.error);
      if (length === 0) return names;
      // struct linux_dirent64: d_ino 8 bytes, d_off 8, d_reclen 2, d_type 1, d_name to its NUL.
      for (let at = 0; at < length; at += buffer.readUInt16LE(at + 16)) {
        const end = buffer.indexOf(0, at + 19);
        const name = buffer.toString("latin1", at + 19, end);
        if (name !== "." && name !== "..") names.push(name);
      }
    }
  }

  /** `bytes` as text without the line's end and without control characters, which no label has a use for; null for "". */
  text(): string | null {
    const text = this.bytes.toString("utf8", 0, this.length);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is removed
    return text.replace(/[\u0000-\u001f\u007f]+/g, " ").trim() || null;
  }

  /** `bytes` as they are, a character each. */
  latin1(): string {
    return this.bytes.toString("latin1", 0, this.length);
  }

  /** The last component of the path in `bytes`. */
  lastComponent(): string | null {
    const text = this.latin1();
    return text.slice(text.lastIndexOf("/") + 1) || null;
  }

  /** `bytes` as a hexadecimal number up to `max`, `0x` or not; -1 for anything else. */
  hex(max: number): number {
    const { bytes, length } = this;
    let at = length > 1 && bytes[0] === 0x30 && ((bytes[1] ?? 0) | 0x20) === 0x78 ? 2 : 0;
    const start = at;
    let value = 0;
    for (; at < length; at++) {
      const digit = hexDigit(bytes[at] as number);
      if (digit < 0) break;
      value = value * 16 + digit;
      if (value > max) return -1;
    }
    return at > start && isBlank(bytes[at], at, length) ? value : -1;
  }

  /** `bytes` as a decimal number up to 2^31, or null for anything else, -1 included: in sysfs it says "none". */
  decimal(): number | null {
    const { bytes, length } = this;
    let value = 0;
    let at = 0;
    for (; at < length; at++) {
      const digit = (bytes[at] as number) - 0x30;
      if (digit < 0 || digit > 9) break;
      value = value * 10 + digit;
      if (value > 0x7fff_ffff) return null;
    }
    return at > 0 && isBlank(bytes[at], at, length) ? value : null;
  }

  #link(directory: number, name: Uint8Array): boolean {
    const length = this.#result(this.c.readlinkat(directory, name, this.bytes, PAGE));
    if (length < 0) return false;
    this.length = length;
    return true;
  }

  #cEntry(name: string): Uint8Array {
    const length = this.#name.write(name, 0, 255, "latin1");
    this.#name[length] = 0;
    return this.#name;
  }

  #result(value: number): number {
    this.error = value < 0 ? errno(this.c) : 0;
    if (value < 0) this.length = 0;
    return value;
  }
}

/** The value of a hexadecimal digit's character code, or -1. */
export function hexDigit(code: number): number {
  if (code >= 0x30 && code <= 0x39) return code - 0x30;
  const lower = code | 0x20;
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : -1;
}

const isBlank = (code: number | undefined, at: number, length: number) =>
  at >= length || code === 0x0a || code === 0x20 || code === 0;

/** True where the kernel says "there is no such thing" rather than "I could not". */
export const isAbsent = (code: number): boolean => code === ERRNO.ENOENT || code === ERRNO.ENOTDIR;
