import { existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

// Recorded hosts are third-party data and no part of this project: they are tested where they are beside it.
export const fixtures = fileURLToPath(new URL("../../../shared/fixtures", import.meta.url));
const FOLDERS = ["checkbox", "cyborg", "hwloc", "ghw"];

/** Recorded sysfs trees, by their path below `fixtures`. */
export const archives = existsSync(fixtures)
  ? FOLDERS.flatMap((folder) =>
      readdirSync(join(fixtures, folder))
        .filter((name) => /\.tar\.(gz|bz2)$/.test(name))
        .map((name) => join(folder, name)),
    )
  : [];
/** Where trees are unpacked to; its user removes it. */
export function unpackingPlace() {
  const directory = mkdtempSync(join(tmpdir(), "sinew-recorded-"));
  return {
    unpack: (archive: string) => unpack(directory, archive),
    close: () => rmSync(directory, { recursive: true, force: true }),
  };
}

function unpack(directory: string, archive: string): string {
  const into = mkdtempSync(join(directory, "tree-"));
  // Some record the whole of /proc and /sys: thousands of files that no scan reads.
  const parts = ["--wildcards", "*sys/bus/pci/*", "*sys/devices/pci*"];
  // Its exit status is 2 where one of these is not in the archive.
  Bun.spawnSync(["tar", "-xf", join(fixtures, archive), "-C", into, ...parts]);
  const sysfs = existsSync(join(into, "sys")) ? join(into, "sys") : join(into, readdirSync(into)[0] ?? "", "sys");
  if (!existsSync(join(sysfs, "bus/pci/devices"))) throw new Error(`tar could not unpack ${archive}`);
  return sysfs;
}
