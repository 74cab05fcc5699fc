import { alternate, compared, type Row, row, type Target } from "./measure.ts";
import { main, scratch, syntheticSysfs } from "./processes.ts";
import { build, output } from "./programs.ts";

const ROUNDS = 7;
/** Scans in one process, of which the median is taken. */
const RUNS = "11";
const COMMAND_ROUNDS = 9;

const scanner = new URL("./scan-micro.ts", import.meta.url).pathname;

/** Scans in a process that has scanned before, against C programs that read the same fields. */
export async function scan(): Promise<Row[]> {
  const libpci = await build("libpci-scan.c", "-lpci");
  const bare = await build("sysfs-scan.c");
  const rows: Row[] = [];
  for (const count of [64, 1_000, null]) {
    const sysfs = count === null ? "/sys" : syntheticSysfs(count);
    const what = count === null ? "scan of this machine's bus" : `scan of ${count} functions`;
    rows.push(await scanAgainst(`${what}`, sysfs, "C on libpci", libpci, TARGETS[String(count)] ?? null));
    rows.push(await scanAgainst(`${what}`, sysfs, "C on openat, pread", bare, null));
  }
  return rows;
}

const TARGETS: Record<string, Target> = {
  1000: { of: "ratio", limit: "at most", value: 0.5 },
  null: { of: "ratio", limit: "at most", value: 1.3 },
};

async function scanAgainst(
  what: string,
  sysfs: string,
  against: string,
  program: Awaited<ReturnType<typeof build>>,
  target: Target | null,
): Promise<Row> {
  const named = { what, unit: "ms", against, target };
  if ("missing" in program) return row({ ...named, note: `against ${against}: ${program.missing}` });
  try {
    const ours = async () => median(await output([process.execPath, scanner, sysfs, RUNS]));
    const theirs = async () => median(await output([program.path, sysfs, RUNS]));
    return compared(named, await alternate(ROUNDS, ours, theirs));
  } catch (error) {
    return row({ ...named, note: error instanceof Error ? error.message : String(error) });
  }
}

function median(text: string): number {
  const value = Number(/median ([\d.]+)/.exec(text)?.[1]);
  if (!(value >= 0)) throw new Error(`expected a median, got ${text}`);
  return value;
}

/** The whole process, from its start to its end. */
export async function command(): Promise<Row[]> {
  const sysfs = syntheticSysfs(1_000);
  const named = {
    what: "sinew scan --json of 1,000 functions, whole process",
    unit: "ms",
    against: "lspci -vvv",
    target: { of: "ratio", limit: "at most", value: 1 },
  } as const;
  const lspci = Bun.which("lspci") ?? ((await Bun.file("/usr/sbin/lspci").exists()) ? "/usr/sbin/lspci" : null);
  if (!lspci) return [row({ ...named, note: "no lspci here" })];
  const state = scratch();
  const ours = () => timed([process.execPath, main, "scan", "--json", "--sysfs", sysfs, "--state", state]);
  const theirs = () => timed([lspci, "-A", "linux-sysfs", "-O", `sysfs.path=${sysfs}/bus/pci`, "-vvv"]);
  return [compared(named, await alternate(COMMAND_ROUNDS, ours, theirs))];
}

async function timed(command: string[]): Promise<number> {
  const began = performance.now();
  const child = Bun.spawn(command, { stdin: "ignore", stdout: "ignore", stderr: "pipe" });
  const status = await child.exited;
  const took = performance.now() - began;
  if (status !== 0)
    throw new Error(`${command.join(" ")} exited ${status}: ${await new Response(child.stderr).text()}`);
  return took;
}
