import { existsSync } from "node:fs";
import { release } from "node:os";
import type { Command } from "commander";
import { stateDirectory } from "../config.ts";
import { NIL_UUID } from "../pci/identity.ts";
import { scrub } from "../pci/snapshot/scrub.ts";
import { Exit, reasonOf } from "./exit.ts";
import { hostFacts, hostName } from "./host/facts.ts";
import { readNodeId } from "./host/node-id.ts";
import { print } from "./output.ts";
import { json } from "./show/json.ts";
import { record } from "./snapshot/record.ts";

export const examples = `
Examples:
  sinew snapshot > host.json
  sinew snapshot --scrub > host.json      node id, name, kernel version and serials replaced by fakes
  sinew scan --snapshot host.json         the machine again, anywhere`;

interface Flags {
  scrub?: true;
  sysfs?: string;
  state?: string;
}

export function define(command: Command): void {
  command
    .option("--scrub", "replace node id, name, kernel version and serials by stable fakes")
    .option("--sysfs <DIR>", "where sysfs is mounted (default: SINEW_SYSFS, /sys)")
    .option("--state <DIR>", "state directory, for this node's id; never written (default: as for start)")
    .action(async () => snapshot(command.opts<Flags>()));
}

async function snapshot({ sysfs = process.env.SINEW_SYSFS || "/sys", state, ...flags }: Flags): Promise<void> {
  if (!sysfs) throw new Exit(2, '--sysfs: expected a path, found ""');
  const devices = `${sysfs}/bus/pci/devices`;
  if (!existsSync(devices)) throw new Exit(1, `cannot record: looked for ${devices}: it does not exist`);
  const node_id = (await readNodeId(stateDirectory(state, process.env, hostFacts()))) ?? NIL_UUID;
  const about = {
    taken_at: new Date().toISOString(),
    host: { node_id, node_name: process.env.SINEW_NODE || hostName(), kernel: release() },
  };
  try {
    const { snapshot: taken, hung } = await record(sysfs, about);
    for (const { address, file } of hung) {
      console.error(`sinew: ${address} is recorded in part: a read of ${file} does not return`);
    }
    await print(`${json(flags.scrub ? scrub(taken) : taken, 1)}\n`);
    // Deno would wait for a thread that is stuck in a read, which is for ever.
    if (hung.length > 0) process.exit(0);
  } catch (error) {
    throw new Exit(1, `cannot record ${sysfs}: ${reasonOf(error)}`);
  }
}
