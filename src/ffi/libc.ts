import { dlopen, type FFIFunction, read } from "bun:ffi";

/**
 * open(2) flags. They differ by architecture: O_DIRECTORY of x86-64 is O_DIRECT on arm64
 * (asm/fcntl.h of each; the ones without a case are the same in both).
 */
const arm = process.arch === "arm64";
export const O = {
  RDONLY: 0,
  RDWR: 2,
  CREAT: 0o100,
  DIRECTORY: arm ? 0o40000 : 0o200000,
  NOFOLLOW: arm ? 0o100000 : 0o400000,
  CLOEXEC: 0o2000000,
  PATH: 0o10000000,
} as const;

/** The start of a relative path that is not relative to a descriptor. */
export const AT_FDCWD = -100;
export const SEEK_END = 2;
export const LOCK_EX = 2;
export const LOCK_NB = 4;

/** errno(3), the same numbers on every Linux architecture that Bun runs on. */
export const ERRNO = {
  EPERM: 1,
  ENOENT: 2,
  EINTR: 4,
  EIO: 5,
  ENXIO: 6,
  EAGAIN: 11,
  ENOMEM: 12,
  EACCES: 13,
  ENODEV: 19,
  ENOTDIR: 20,
  EISDIR: 21,
  EINVAL: 22,
  ENFILE: 23,
  EMFILE: 24,
  ENOSPC: 28,
  EROFS: 30,
  ELOOP: 40,
} as const;
const NAMES = new Map<number, string>(Object.entries(ERRNO).map(([name, code]) => [code, name]));
export const errnoName = (code: number): string => NAMES.get(code) ?? `errno ${code}`;

// Lengths are u64 and results i32: no read here is longer than a page or two, and a BigInt per call would cost more
// than the call. Buffers are passed as they are: ptr(buffer) would not keep them alive during the call.
const open = () =>
  openLibc({
    openat: { args: ["i32", "ptr", "i32", "i32"], returns: "i32" },
    close: { args: ["i32"], returns: "i32" },
    read: { args: ["i32", "ptr", "u64"], returns: "i32" },
    pread: { args: ["i32", "ptr", "u64", "i64"], returns: "i32" },
    pwrite: { args: ["i32", "ptr", "u64", "i64"], returns: "i32" },
    lseek: { args: ["i32", "i64", "i32"], returns: "i32" },
    ftruncate: { args: ["i32", "i64"], returns: "i32" },
    readlinkat: { args: ["i32", "ptr", "ptr", "u64"], returns: "i32" },
    getdents64: { args: ["i32", "ptr", "u64"], returns: "i32" },
    fstatfs: { args: ["i32", "ptr"], returns: "i32" },
    flock: { args: ["i32", "i32"], returns: "i32" },
    getsockname: { args: ["i32", "ptr", "ptr"], returns: "i32" },
    getsockopt: { args: ["i32", "i32", "i32", "ptr", "ptr"], returns: "i32" },
    setsockopt: { args: ["i32", "i32", "i32", "ptr", "u32"], returns: "i32" },
    umask: { args: ["u32"], returns: "u32" },
    __errno_location: { args: [], returns: "ptr" },
  });

export type Libc = ReturnType<typeof open>;
let opened: Libc | undefined;

/** The C library, opened on first use: importing this module opens nothing. Throws ERR_DLOPEN_FAILED without one. */
export function libc(): Libc {
  opened ??= open();
  return opened;
}

/** Functions of the C library; each costs some microseconds to open. Throws ERR_DLOPEN_FAILED without one. */
export function openLibc<const Functions extends Record<string, FFIFunction>>(functions: Functions) {
  try {
    return dlopen("libc.so.6", functions).symbols;
  } catch (error) {
    // bun:ffi cannot ask for "the libc that is loaded already", and musl names its file by architecture.
    try {
      return dlopen(`libc.musl-${arm ? "aarch64" : "x86_64"}.so.1`, functions).symbols;
    } catch {
      throw error;
    }
  }
}

/** errno of the call that has just failed in this thread: nothing may come between the two. */
export function errno(c: Pick<Libc, "__errno_location">): number {
  const location = c.__errno_location();
  return location === null ? 0 : read.i32(location, 0);
}

/** A NUL-terminated copy, for names that are passed to C again and again. */
export const cString = (text: string): Uint8Array<ArrayBuffer> => new TextEncoder().encode(`${text}\0`);
