import type { Command } from "commander";
import type { SetupPlan } from "../../contract/device/setup.ts";
import type { Hardware } from "../../contract/hardware.ts";
import { Exit } from "../exit.ts";
import type { Where } from "../operator/way.ts";
import { print } from "../output.ts";
import { json as asJson } from "../show/json.ts";
import { printable } from "../text.ts";
import {
  allDevices,
  chosen,
  type DeviceTier,
  deviceTier,
  nodesOf,
  refusalLines,
  titleOf,
  whereOptions,
} from "./tier.ts";

export const examples = `
It asks the agent of this node, which knows the configuration (\`sinew start --config FILE\`), and writes nothing.
DEVICE is a uuid, a PCI address or a slot; without it, every device that a rule is about.

Examples:
  sinew plan                           everything that is configured
  sinew plan 3b:00.0                   one device
  sinew plan 0000:3b:00.0 --json | jq '.plans[].plan.writes'
  sinew plan 3b:00.0 --revert          what \`sinew revert 3b:00.0\` would write

Exit status: 0 done, 1 it could not be, 2 bad usage.`;

export function define(command: Command): void {
  whereOptions(command)
    .argument("[DEVICE]", "a uuid, a PCI address or a slot")
    .option("--revert", "the way back to what was there before the first setup")
    .option("--json", "one JSON document")
    .action((device: string | undefined, flags: Where & { revert?: true; json?: true }) => plan(device, flags));
}

async function plan(device: string | undefined, flags: Where & { revert?: true; json?: true }): Promise<void> {
  const tier = await deviceTier(flags);
  const devices = chosen(await allDevices(tier), device);
  const node = nodesOf(devices).length > 1;
  const plans: { uuid: string; address: string | null; plan: SetupPlan | null; error: string | null }[] = [];
  for (const one of devices) {
    const body = { dry_run: true, ...(flags.revert ? { revert: true } : {}) };
    const { plan, error } = await planOf(tier, one.uuid, body);
    plans.push({ uuid: one.uuid, address: one.pci?.address ?? null, plan, error });
    if (flags.json) continue;
    const text = plan ? planText(one, plan, { node }) : `${titleOf(one, { node })}\n  ${error}\n`;
    await print(`${plans.length > 1 ? "\n" : ""}${text}`);
  }
  if (flags.json) await print(`${asJson({ plans }, 2)}\n`);
  else if (devices.length === 0)
    await print("No rule of this node's configuration (sinew start --config FILE) is about a device that is here.\n");
  const failed = plans.filter(({ plan }) => plan === null).length;
  if (failed > 0) throw new Exit(1, `${failed} of ${plans.length} could not be planned`);
}

/** One that cannot be asked keeps none of the others from being shown. */
async function planOf({ ask }: DeviceTier, uuid: string, body: object) {
  try {
    const answer = (await ask({ method: "POST", path: `/hardware/${uuid}/setup`, body })) as {
      plan?: SetupPlan;
    } | null;
    if (!Array.isArray(answer?.plan?.writes)) throw new Exit(1, "expected a plan, got something else");
    return { plan: answer.plan, error: null };
  } catch (error) {
    if (error instanceof Exit) return { plan: null, error: error.message };
    throw error;
  }
}

/** A plan as a person reads it before pressing the button. */
export function planText(device: Hardware, plan: SetupPlan, more: { node?: boolean } = {}): string {
  const { desired, writes, group, holders, reboot, undo, refusals } = plan;
  const lines: [label: string, lines: string[]][] = [
    ["wanted", [desired === null ? "nothing" : wantedText(desired)]],
    ["writes", writes.length === 0 ? ["none: it is as wanted"] : numbered(writes)],
    ["group", groupLines(group)],
    [
      "held by",
      holders.length === 0
        ? ["nobody that can be seen"]
        : holders.map(({ address, message }) => printable(`${address}: ${message}`)),
    ],
    ["reboot", [reboot ? printable(`first: ${reboot.reason}; set ${reboot.setting}`) : "not needed"]],
    ["undo", undo.length === 0 ? ["none: nothing was or would be changed"] : numbered(undo)],
    ["refused", refusals.length === 0 ? ["no"] : refusalLines(refusals)],
  ];
  // Nothing to write is as wanted only where something is.
  if (writes.length === 0 && (desired === null || refusals.length > 0)) lines[1] = ["writes", ["none"]];
  const body = lines.flatMap(([label, all]) =>
    all.map((line, at) => `  ${(at === 0 ? label : "").padEnd(9)}${line}\n`),
  );
  return `${titleOf(device, more)}\n${body.join("")}`;
}

const numbered = (writes: SetupPlan["writes"]) =>
  writes.map(({ path, from, to }, at) =>
    printable(`${at + 1}. ${path}: ${from === null ? "" : `${from || '""'} -> `}${to === "" ? '""' : to}`),
  );

function wantedText({ kernel_driver, sriov_vfs, vf_driver }: NonNullable<SetupPlan["desired"]>): string {
  return printable(
    [
      ...(kernel_driver === undefined ? [] : [`kernel driver ${kernel_driver ?? "none"}`]),
      ...(sriov_vfs === undefined ? [] : [`${sriov_vfs} VFs`]),
      ...(vf_driver === undefined ? [] : [`each VF on ${vf_driver ?? "no driver"}`]),
    ].join(", "),
  );
}

function groupLines(group: SetupPlan["group"]): string[] {
  if (group === null) return ["no IOMMU group"];
  const members = group.members.map(({ address, name, kernel_driver, bridge }) =>
    printable(`${address} ${name}, ${bridge ? "a bridge" : `on ${kernel_driver ?? "no driver"}`}`),
  );
  return [`IOMMU group ${group.number}, at present ${group.viable ? "" : "not "}viable for VFIO:`, ...members];
}
