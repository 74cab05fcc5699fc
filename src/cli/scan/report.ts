import type { Hardware, HardwareList, Source } from "../../contract/hardware.ts";
import { type Discovered, fromScan } from "../../drivers/discover.ts";
import { generic } from "../../drivers/generic.ts";
import { kinds } from "../../drivers/registry.ts";
import { pciNames } from "../../pci/names.ts";
import { digestOf, isSpeed } from "../../tiers/generation.ts";
import { print } from "../output.ts";
import { type Flags, startScan } from "../scan.ts";
import { json as asJson } from "../show/json.ts";
import { hardwareTable, terminal } from "../table.ts";
import { printable } from "../text.ts";
import { type Running, readBus, readDump, readSnapshot, type Seen } from "./sources.ts";

/** Shows what a scan finds; `running` is one of this machine's bus, null where something recorded is read instead. */
export async function report(flags: Flags, running: Running | null): Promise<void> {
  const seen = await see(flags, running);
  const names = pciNames({ text: seen.pciIds });
  const now = new Date();
  const { hardware, problems } = fromScan(seen, { node: seen.node, names, now, all: flags.all });
  for (const problem of problems) process.stderr.write(`sinew: ${describe(problem)}\n`);

  if (flags.json) return print(`${asJson(await listOf(hardware, now))}\n`);
  if (hardware.length > 0) return print(hardwareTable(hardware, terminal(process.stdout, process.env)));
  const more = flags.all ? "" : "; `sinew scan --all` shows them";
  return print(`None of the ${seen.looked_at} PCI functions looked at is an accelerator${more}.\n`);
}

async function see({ dump, snapshot, state, all }: Flags, running: Running | null): Promise<Seen> {
  if (running) return readBus(running, state);
  if (dump !== undefined) return readDump(dump);
  return readSnapshot(snapshot ?? "", (sysfs) => startScan(sysfs, all));
}

async function listOf(hardware: Hardware[], now: Date): Promise<HardwareList> {
  const sources = sourcesOf(hardware, now);
  const shown = { hardware: hardware.map(undated), sources: sources.map(unread) };
  return { hardware, sources, generation: await digestOf(JSON.stringify(shown)) };
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

// What `generationOf` leaves out, without its question about every key; and no dates: one scan remembers no other, and
// the same machine would never have the same generation twice.
const undated = (device: Hardware) => ({
  ...device,
  first_seen: null,
  acc_status: {
    ...device.acc_status,
    conditions: device.acc_status.conditions.map((condition) =>
      isSpeed(condition) ? null : { ...condition, message: undefined, since: null },
    ),
  },
  pci: device.pci && { ...device.pci, link: device.pci.link && { ...device.pci.link, speed_gts: null } },
});
const unread = (source: Source) => ({ ...source, observed_at: undefined });

const describe = ({ address, reason, message }: Discovered["problems"][number]) =>
  printable(`${address === null ? "" : `${address}: `}${reason}: ${message}`);
