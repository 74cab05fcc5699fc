import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";

/** Set in the process that runs in namespaces of its own. */
const INSIDE = "SINEW_CHAOS_INSIDE";
export const isInside = process.env[INSIDE] !== undefined;

/**
 * Runs this program again in namespaces of its own, as root: what it mounts and what it drops on the network is nobody
 * else's, and all that it started ends with it, in whatever way it ends. Null where that cannot be had.
 */
export async function enter(argv: readonly string[]): Promise<number | null> {
  const apart = ["unshare", "--mount", "--net", "--pid", "--fork", "--kill-child=KILL", "--mount-proc"];
  const tied = ["setpriv", "--pdeathsig", "KILL"];
  const able = Bun.which("unshare") && Bun.which("setpriv") && Bun.which("ip") && process.getuid?.() === 0;
  const mayBe = { stdin: "ignore", stdout: "ignore", stderr: "ignore" } as const;
  if (!able || Bun.spawnSync([...tied, ...apart, "ip", "link", "set", "lo", "up"], mayBe).exitCode !== 0) return null;
  const child = Bun.spawn(
    [...tied, ...apart, "sh", "-c", 'ip link set lo up && exec "$@"', "sh", process.execPath, ...argv],
    { env: { ...process.env, [INSIDE]: "1" }, stdin: "ignore", stdout: "inherit", stderr: "inherit" },
  );
  const { pid } = child;
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    // unshare itself ends by it, and takes the rest along: it is the program inside that is to clean up.
    process.on(signal, () => {
      const inside = Bun.spawnSync(["pgrep", "-P", String(pid)])
        .stdout.toString()
        .trim();
      process.kill(Number(inside) || pid, signal);
    });
  }
  return child.exited;
}

/** A file system that can be filled. Without namespaces of our own an ordinary directory, which cannot. */
export function makeDisk(path: string, megabytes: number, owner?: number) {
  mkdirSync(path, { recursive: true, mode: 0o700 });
  const own = owner === undefined ? "" : `,uid=${owner},gid=${owner}`;
  const mounted =
    isInside &&
    Bun.spawnSync(["mount", "-t", "tmpfs", "-o", `size=${megabytes}m,mode=700${own}`, "tmpfs", path]).exitCode === 0;
  const ballast = join(path, "ballast");
  return {
    path,
    canFill: mounted,
    /** Takes all that is left. */
    fill: () => void Bun.spawnSync(["sh", "-c", 'cat /dev/zero >"$0" 2>/dev/null', ballast]),
    free: () => rmSync(ballast, { force: true }),
    close: () => void (mounted && Bun.spawnSync(["umount", "-l", path])),
  };
}
export type Disk = ReturnType<typeof makeDisk>;
