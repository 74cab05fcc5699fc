import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync, statSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { acquireLock } from "../../src/ffi/lock.ts";

const directory = mkdtempSync(join(tmpdir(), "sinew-lock-"));
afterAll(() => rmSync(directory, { recursive: true }));

test("acquireLock() gives a lock once, and says who holds it", () => {
  const path = join(directory, "agent.lock");
  const lock = acquireLock(path);
  if (!("release" in lock)) throw new Error("expected the lock");
  expect(statSync(path).mode & 0o777).toBe(0o600);
  expect(acquireLock(path)).toEqual({ heldBy: process.pid });
  lock.release();
  lock.release();
  const again = acquireLock(path);
  expect(again).toHaveProperty("release");
  if ("release" in again) again.release();
});

test("acquireLock() gets the lock of a process that was killed", async () => {
  const path = join(directory, "killed.lock");
  const module = JSON.stringify(new URL("../../src/ffi/lock.ts", import.meta.url).pathname);
  const code = `const { acquireLock } = await import(${module});
    acquireLock(${JSON.stringify(path)}); console.log("held"); setInterval(() => {}, 1000);`;
  const child = Bun.spawn([process.execPath, "-e", code], { stdout: "pipe" });
  await child.stdout.getReader().read();
  expect(acquireLock(path)).toEqual({ heldBy: child.pid });
  child.kill("SIGKILL");
  await child.exited;
  const lock = acquireLock(path);
  expect(lock).toHaveProperty("release");
  if ("release" in lock) lock.release();
});

test("acquireLock() throws where no lock file can be, and follows no link to one", () => {
  expect(() => acquireLock(join(directory, "none/agent.lock"))).toThrow("ENOENT");
  symlinkSync(join(directory, "elsewhere"), join(directory, "link.lock"));
  expect(() => acquireLock(join(directory, "link.lock"))).toThrow("ELOOP");
});
