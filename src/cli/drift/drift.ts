import type { Command } from "commander";
import type { Hardware } from "../../contract/hardware.ts";
import type { Node } from "../../contract/node.ts";
import { deviceType, refuseUnknown } from "../get/kinds/known.ts";
import { LABEL_OPTION, labelsOf } from "../get/words.ts";
import { asking } from "../operator/call.ts";
import { type FleetFlags, fleet, fleetOptions } from "../operator/conductor.ts";
import { all } from "../operator/pages.ts";
import { print } from "../output.ts";
import { json as asJson } from "../show/json.ts";
import { columns, wrapWidth } from "../table.ts";
import { driftOf, type Group, type Place } from "./groups.ts";
import { type Missing, missingOf } from "./missing.ts";

export const examples = `
Examples:
  sinew drift                          like devices that differ in kernel driver or firmware, and what is missing
  sinew drift --type GPU               of GPUs alone
  sinew drift -l site=ams              of the nodes with this label
  sinew drift --check || page-somebody exit 3 where there is any

Devices are alike that have the same PCI ids, of the chip and of the card, and the same model. The value that most of them have is
shown first; what differs from it is listed by node, address and slot.

Exit status: 0 done, 1 it could not be, 2 bad usage, 3 with --check: something differs or is missing.`;

interface Flags extends FleetFlags {
  type?: string;
  label?: string;
  check?: true;
  json?: true;
}

export function define(command: Command): void {
  fleetOptions(command)
    .option("--type <TYPE>", "of this kind of device, such as GPU")
    .option(...LABEL_OPTION)
    .option("--check", "exit 3 where anything differs or is missing")
    .option("--json", "one JSON document")
    .action((flags: Flags) => drift(flags));
}

async function drift({ type: said, label, check, json, ...flags }: Flags): Promise<void> {
  const type = deviceType(said);
  const ask = asking(await fleet(flags));
  const filter = new URLSearchParams(labelsOf(label).map((one): [string, string] => ["label", one]));
  const nodes = await all<Node>(ask, "nodes", "/nodes", filter);
  if (type !== undefined) filter.set("device_type", type);
  const devices = await all<Hardware>(ask, "hardware", "/hardware", filter);
  if (devices.length === 0) await refuseUnknown(ask, { type });
  const groups = driftOf(devices);
  // What a node expects without having seen it is of no kind that could be asked for.
  const missing = missingOf(devices, type === undefined ? nodes : nodesOf(devices, nodes));
  const found = groups.length + missing.length > 0;
  await print(json ? `${asJson({ groups, missing }, 2)}\n` : shown(groups, missing, devices.length));
  if (check && found) process.exitCode = 3;
}

const nodesOf = (devices: readonly Hardware[], nodes: readonly Node[]) => {
  const gone = new Set(devices.filter(({ freshness }) => freshness === "GONE").map(({ node }) => node.id));
  return nodes.filter(({ id }) => gone.has(id));
};

function shown(groups: readonly Group[], missing: readonly Missing[], total: number): string {
  if (groups.length + missing.length === 0) return `Nothing differs among ${total} devices, and nothing is missing.\n`;
  return [groups.length > 0 ? differing(groups) : "", missing.length > 0 ? absent(missing) : ""]
    .filter((part) => part !== "")
    .join("\n");
}

const where = ({ node, address, slot }: Omit<Place, "uuid">) => [node, address ?? "-", slot ?? "-"];
const text = (value: string | null) => value ?? "none";

function differing(groups: readonly Group[]): string {
  const rows = groups.flatMap(({ name, total, differences }) =>
    differences.flatMap(({ fact, values: [most, ...others] }) =>
      others.flatMap(({ value, devices }) =>
        devices.map((device) => [
          ...where(device),
          ...[fact, text(value)],
          ...[`${text(most?.value ?? null)} (${most?.devices.length} of ${total})`, name],
        ]),
      ),
    ),
  );
  return columns([["NODE", "ADDRESS", "SLOT", "DIFFERS IN", "HAS", "MOST HAVE", "NAME"], ...rows], {
    wrap: wrapWidth(),
  });
}

const absent = (missing: readonly Missing[]): string =>
  columns(
    [
      ["NODE", "ADDRESS", "SLOT", "MISSING", "NAME", "WHY"],
      ...missing.map((one) => [...where(one), one.uuid ?? "never seen", one.name, one.why]),
    ],
    { wrap: wrapWidth() },
  );
