import type { Command } from "commander";
import { stateDirectory } from "../config.ts";
import { generationOf } from "../contract/generation.ts";
import type { Hardware, HardwareList, Source } from "../contract/hardware.ts";
import { type Discovered, fromScan, type Scanned, wantedBy } from "../drivers/discover.ts";
import { generic } from "../drivers/generic.ts";
import { kinds } from "../drivers/registry.ts";
import { NIL_UUID } from "../pci/identity.ts";
import { pciNames } from "../pci/names.ts";
import { Exit, reasonOf } from "./exit.ts";
import { hostFacts, hostKinds, hostName } from "./host/facts.ts";
import { readNodeId } from "./host/node-id.ts";
import { openOrigin, readText } from "./host/origin.ts";
import { print } from "./output.ts";
import { hardwareTable, terminal } from "./table.ts";
import { printable } from "./text.ts";

export const examples = `
Examples:
  sinew scan                          the accelerators of this machine
  sinew scan --all                    every PCI function, accelerator or not
  sinew scan --json                   one document, as GET /hardware gives it
  sinew scan --dump lspci.txt         what \`lspci -xxxx\` of another machine says
  sinew scan --snapshot host.json     a machine recorded by \`sinew snapshot\`

Exit status: 0 the scan was done, 1 it could not be, 2 bad usage.`;

interface Flags {
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
  dump: { value: "FILE", help: "read the output of lspci -x, -xxx or -xxxx instead" },
  snapshot: { value: "FILE", help: "replay a machine recorded by `sinew snapshot` instead" },
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
      if (value === undefined || value.startsWith("-")) return false;
      flags[name] = value;
    }
  }
  // Names and types are as OPTIONS has them.
  await scan(flags as Flags);
  return true;
}

/** What was read, and whose it is. */
interface Seen extends Scanned {
  looked_at: number;
  node: Hardware["node"];
  pciIds: string | null;
}

async function scan(flags: Flags): Promise<void> {
  const sources = (["sysfs", "dump", "snapshot"] as const).filter((flag) => flags[flag] !== undefined);
  if (sources.length > 1) throw new Exit(2, `expected one of --${sources.join(" and --")}, found both`);
  if (sources.some((flag) => flags[flag] === "")) throw new Exit(2, `--${sources[0]}: expected a path, found ""`);

  const seen = flags.dump === undefined ? await scanBus(flags) : await readDump(flags.dump);
  const names = pciNames({ text: seen.pciIds });
  const now = new Date();
  const { hardware, problems } = fromScan(seen, { node: seen.node, names, now, all: flags.all });
  for (const problem of problems) process.stderr.write(`sinew: ${describe(problem)}\n`);

  if (flags.json) {
    const rows = sourcesOf(hardware, now);
    const list: HardwareList = {
      hardware,
      sources: rows,
      generation: await generationOf({ hardware: hardware.map(undated), sources: rows }),
    };
    return print(`${JSON.stringify(list)}\n`);
  }
  if (hardware.length > 0) return print(hardwareTable(hardware, terminal(process.stdout, process.env)));
  const more = flags.all ? "" : "; `sinew scan --all` shows them";
  return print(`None of the ${seen.looked_at} PCI functions looked at is an accelerator${more}.\n`);
}

async function scanBus({ sysfs = process.env.SINEW_SYSFS || "/sys", snapshot, state, all }: Flags): Promise<Seen> {
  const origin = await openOrigin(snapshot === undefined ? { sysfs } : { snapshot });
  const id = origin.node?.id ?? (await readNodeId(stateDirectory(state, process.env, hostFacts()))) ?? NIL_UUID;
  const name = origin.node?.name ?? (process.env.SINEW_NODE || hostName());
  if (hostKinds().length === 0) {
    throw new Exit(1, "cannot scan: the bus is read through Bun's FFI, and this is another runtime (--dump works)");
  }
  const { createScanner } = await import("../pci/scanner/scanner.ts");
  const scanner = createScanner({ sysfs: origin.sysfs, wanted: wantedBy({ all }) });
  try {
    const { functions, looked_at, problems } = await scanner.scan();
    return { functions, looked_at, problems, node: { id, name }, pciIds: origin.pciIds };
  } catch (error) {
    throw new Exit(1, `cannot scan: looked for ${origin.sysfs}/bus/pci/devices: ${reasonOf(error)}`);
  } finally {
    scanner.close();
    await origin.close();
  }
}

async function readDump(path: string): Promise<Seen> {
  const text = await readText(path);
  const { parseDump } = await import("../pci/dump/dump.ts");
  try {
    const { functions, problems } = parseDump(text);
    return {
      functions,
      looked_at: functions.length,
      problems,
      // A dump says nothing of the machine it is from.
      node: { id: NIL_UUID, name: "dump" },
      pciIds: null,
    };
  } catch (error) {
    throw new Exit(1, `cannot read ${path}: ${reasonOf(error)}`);
  }
}

/** As the agent of this machine lists its built-in drivers. */
const sourcesOf = (hardware: readonly Hardware[], now: Date): Source[] =>
  [...kinds, generic].map(({ name, deviceType }) => ({
    name,
    type: deviceType,
    endpoint: null,
    status: "OK",
    observed_at: now.toISOString(),
    count: hardware.filter((device) => device.source === name).length,
    error: null,
  }));

// One scan remembers no other: without this the same machine would never have the same generation twice.
const undated = (device: Hardware) => ({
  ...device,
  first_seen: null,
  acc_status: {
    ...device.acc_status,
    conditions: device.acc_status.conditions.map((condition) => ({ ...condition, since: null })),
  },
});

const describe = ({ address, reason, message }: Discovered["problems"][number]) =>
  printable(`${address === null ? "" : `${address}: `}${reason}: ${message}`);
