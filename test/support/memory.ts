// Before every test file (bunfig.toml): what tests write is gone with them, so it need not reach a disk. Thousands of small
// files that come and go cost ext4 ten times what they cost memory.
import { existsSync, readFileSync, statfsSync } from "node:fs";

const MEMORY = "/dev/shm";
/** Four PostgreSQL servers at work and what else there is take less than half of it; a container's usual 64 MiB is not enough. */
const ROOM = 2 * 1024 ** 3;

/** Whether programs that are written there may run, too. */
function mayRun(): boolean {
  const mount = readFileSync("/proc/mounts", "utf8")
    .split("\n")
    .findLast((line) => line.split(" ")[1] === MEMORY);
  return mount !== undefined && !mount.split(" ")[3]?.split(",").includes("noexec");
}

if (process.env.TMPDIR === undefined && existsSync(MEMORY) && existsSync("/proc/mounts")) {
  const { bavail, bsize } = statfsSync(MEMORY);
  if (bavail * bsize >= ROOM && mayRun()) process.env.TMPDIR = MEMORY;
}
