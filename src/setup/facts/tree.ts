import { lstatSync, readdirSync, readFileSync, readlinkSync, realpathSync } from "node:fs";

// Reads of sysfs and /proc that give null for what is not there. They block: of attributes whose reading takes the
// device's lock (sriov_numvfs, driver_override) as long as a write to that device does. So they run in a child process.

const ABSENT = new Set(["ENOENT", "ENOTDIR", "EINVAL", "ENODEV", "ENXIO", "ESRCH", "EACCES", "EPERM", "ELOOP"]);

function orNull<T>(read: () => T): T | null {
  try {
    return read();
  } catch (error) {
    // Devices and processes come and go, and of other people's processes not everything is shown.
    if (error instanceof Error && "code" in error && ABSENT.has(String(error.code))) return null;
    throw error;
  }
}

/** Names in a directory, sorted; none where it is none. */
export const names = (path: string): string[] => orNull(() => readdirSync(path).sort()) ?? [];

/** An attribute without the line's end and control characters, at most a page; null: absent or empty. */
export function attribute(path: string): string | null {
  const text = contents(path)?.slice(0, 4096);
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is removed
  return text?.replace(/[\u0000-\u001f\u007f]+/g, " ").trim() || null;
}

/** A file of /proc, or what of it is there; null: absent. */
export const contents = (path: string): string | null => orNull(() => readFileSync(path, "utf8"));

export const link = (path: string): string | null => orNull(() => readlinkSync(path));
export const real = (path: string): string | null => orNull(() => realpathSync(path));
export const exists = (path: string): boolean => orNull(() => lstatSync(path)) !== null;

/** The last component of where a link leads. */
export const linkName = (path: string): string | null => link(path)?.split("/").at(-1) || null;

export function number(path: string, base = 10): number | null {
  const text = attribute(path);
  const value = text === null ? Number.NaN : Number.parseInt(text, base);
  return Number.isSafeInteger(value) && value >= 0 ? value : null;
}

/** `259:0` of a device node (makedev(3)). */
export function numbersOf(rdev: number): string {
  const dev = BigInt(rdev);
  const major = ((dev >> 8n) & 0xfffn) | ((dev >> 32n) & ~0xfffn);
  return `${major}:${(dev & 0xffn) | ((dev >> 12n) & 0xffffff00n)}`;
}

const ADDRESS = /^[0-9a-f]{4,8}:[0-9a-f]{2}:[01][0-9a-f]\.[0-7]$/;
export const isAddress = (name: string): boolean => ADDRESS.test(name);

/**
 * Which of these functions a path below /sys/devices belongs to: the deepest in it. What is below another one still, as a
 * disk behind a controller that is a bus of its own (Intel VMD), goes with it.
 */
export const addressIn = (path: string, of: ReadonlySet<string>): string | null =>
  path.split("/").findLast((part) => of.has(part)) ?? null;
