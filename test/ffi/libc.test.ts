import { expect, test } from "bun:test";
import { AT_FDCWD, cString, ERRNO, errno, errnoName, libc, O } from "../../src/ffi/libc.ts";

test("libc() opens a directory by this architecture's flags, and nothing else by O_DIRECTORY", () => {
  const c = libc();
  const fd = c.openat(AT_FDCWD, cString("/"), O.RDONLY | O.DIRECTORY | O.CLOEXEC, 0);
  expect(fd).toBeGreaterThan(2);
  expect(c.close(fd)).toBe(0);
  expect(c.openat(AT_FDCWD, cString("/proc/self/exe"), O.RDONLY | O.DIRECTORY, 0)).toBe(-1);
  expect(errno(c)).toBe(ERRNO.ENOTDIR);
});

test("errno() tells why the last call failed, under garbage collection too", () => {
  const c = libc();
  for (let round = 0; round < 2000; round++) {
    if (round % 500 === 0) Bun.gc(true);
    expect(c.openat(AT_FDCWD, cString(`/no/such/${round}`), O.RDONLY, 0)).toBe(-1);
    expect(errno(c)).toBe(ERRNO.ENOENT);
    expect(c.close(-1)).toBe(-1);
    expect(errno(c)).not.toBe(ERRNO.ENOENT);
  }
  expect([errnoName(ERRNO.EIO), errnoName(999)]).toEqual(["EIO", "errno 999"]);
});
