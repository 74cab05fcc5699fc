import type { Command } from "commander";
import { createScanner } from "../pci/scanner/scanner.ts";
import { Exit } from "./exit.ts";
import type { Running } from "./scan/sources.ts";

export const examples = `
Examples:
  sinew scan                          the accelerators of this machine
  sinew scan --all                    every PCI function, accelerator or not
  sinew scan --json                   one document, as GET /hardware gives it
  sinew scan --dump lspci.txt         what \`lspci -xxxx\` of another machine says
  sinew scan --snapshot host.json     a machine recorded by \`sinew snapshot\`

Exit status: 0 the scan was done, 1 it could not be, 2 bad usage.`;

export interface Flags {
  json?: boolean;
  all?: boolean;
  sysfs?: string;
  dump?: string;
  snapshot?: string;
  state?: string;
}

const OPTIONS: Record<keyof Flags, { value: string | null; help: string }> = {
  json: { value: null, help: "one JSON document, the body of GET /hardware, and nothing else on stdout" },
  all: { value: null, help: "functions that are no accelerator too, as GENERIC" },
  sysfs: { value: "DIR", help: "where sysfs is mounted (default: SINEW_SYSFS, /sys)" },
  dump: { value: "FILE", help: "read the output of lspci -x, -xxx or -xxxx instead; `-`: from standard input" },
  snapshot: { value: "FILE", help: "replay a machine recorded by `sinew snapshot` instead; `-` as above" },
  state: { value: "DIR", help: "state directory, for this node's id; never written (default: as for start)" },
};

export function define(command: Command): void {
  for (const [name, { value, help }] of Object.entries(OPTIONS)) {
    command.option(value ? `--${name} <${value}>` : `--${name}`, help);
  }
  command.action(async () => scan(command.opts<Flags>()));
}

/**
 * Does the scan when `argv` is nothing but good flags, else gives false and leaves help and errors to commander, whose
 * loading costs as much as the scan of a small machine.
 */
export async function directly(argv: readonly string[]): Promise<boolean> {
  const flags: Record<string, string | boolean> = {};
  for (let i = 0; i < argv.length; i++) {
    const name = argv[i]?.startsWith("--") ? argv[i]?.slice(2) : undefined;
    if (name === undefined || !Object.hasOwn(OPTIONS, name)) return false;
    if (OPTIONS[name as keyof Flags].value === null) flags[name] = true;
    else {
      const value = argv[++i];
      if (value === undefined || (value.startsWith("-") && value !== "-")) return false;
      flags[name] = value;
    }
  }
  // Names and types are as OPTIONS has them.
  await scan(flags as Flags);
  return true;
}

async function scan(flags: Flags): Promise<void> {
  const sources = (["sysfs", "dump", "snapshot"] as const).filter((flag) => flags[flag] !== undefined);
  if (sources.length > 1) throw new Exit(2, `expected one of --${sources.join(" and --")}, found both`);
  if (sources.some((flag) => flags[flag] === "")) throw new Exit(2, `--${sources[0]}: expected a path, found ""`);

  // Another thread reads the bus while this one loads what judges and shows it: that takes as long.
  const bus = flags.dump === undefined && flags.snapshot === undefined;
  const running = bus ? startScan(flags.sysfs ?? (process.env.SINEW_SYSFS || "/sys"), flags.all) : null;
  const { report } = await import("./scan/report.ts");
  await report(flags, running);
}

/** Begins to read the bus. */
export function startScan(sysfs: string, all = false): Running {
  if (typeof Bun === "undefined") {
    throw new Exit(1, "cannot scan: the bus is read through Bun's FFI, and this is another runtime (--dump works)");
  }
  const judge = all ? null : import("../drivers/discover.ts").then(({ wantedBy }) => wantedBy({}));
  const scanner = createScanner({ sysfs, wanted: judge ? async (ids) => (await judge)(ids) : undefined });
  const result = scanner.scan();
  // Whoever awaits it may come later than its failure.
  result.catch(() => {});
  return { sysfs, result, close: () => scanner.close() };
}
