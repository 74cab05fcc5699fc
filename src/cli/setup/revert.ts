import type { Command } from "commander";
import type { Hardware } from "../../contract/hardware.ts";
import { Exit } from "../exit.ts";
import type { Where } from "../operator/way.ts";
import { print } from "../output.ts";
import { forceOfOne, forEach } from "./apply.ts";
import { allDevices, chosen, type DeviceTier, deviceTier, whereOptions } from "./tier.ts";

export const examples = `
It asks the agent of this node. What is reverted stays so, with \`apply: auto\` too, until somebody applies it again or its
rule changes. \`sinew plan DEVICE --revert\` shows beforehand what is written.
DEVICE is a uuid, a PCI address or a slot.

Examples:
  sinew revert 3b:00.0      one device
  sinew revert --all        every device that was set up

Exit status: 0 done, 1 it could not be, 2 bad usage.`;

export function define(command: Command): void {
  whereOptions(command)
    .argument("[DEVICE]", "a uuid, a PCI address or a slot")
    .option("--all", "every device that was set up")
    .option(
      "--force <NAME>",
      "override the refusal of this name, and no other; may be given again",
      (name: string, before: string[] = []) => [...before, name],
    )
    .option("--json", "one JSON document")
    .action(async (device: string | undefined, flags: Where & { all?: true; force?: string[]; json?: true }) => {
      if ((device === undefined) === (flags.all === undefined)) {
        throw new Exit(2, `revert: expected a DEVICE or --all, found ${device === undefined ? "neither" : "both"}`);
      }
      forceOfOne(flags, device);
      const tier = await deviceTier(flags);
      const all = await allDevices(tier);
      const devices = device === undefined ? await everSetUp(tier, all) : chosen(all, device);
      if (devices.length === 0 && !flags.json) return print("No device here was set up.\n");
      const body = { revert: true, ...(flags.force ? { force: flags.force } : {}) };
      const nothing = "as it was before its first setup; nothing was written";
      await forEach(tier, devices, { body, json: flags.json === true, nothing });
    });
}

/** Devices with a history. VFs come first: with their PF they would be gone. */
async function everSetUp({ ask }: DeviceTier, devices: readonly Hardware[]): Promise<Hardware[]> {
  const found: Hardware[] = [];
  for (const device of devices.filter(({ freshness }) => freshness !== "GONE")) {
    if (await hasHistory(ask, device.uuid)) found.push(device);
  }
  return found.sort((a, b) => Number(Boolean(b.pci?.sriov?.pf)) - Number(Boolean(a.pci?.sriov?.pf)));
}

/** Of a driver that keeps no history nothing was set up. */
async function hasHistory(ask: DeviceTier["ask"], uuid: string): Promise<boolean> {
  const none = "no history";
  const refusal = (problem: object) => ("code" in problem && problem.code === "not_found" ? none : null);
  try {
    const answer = (await ask({ path: `/hardware/${uuid}/history`, refusal })) as { history?: unknown[] } | null;
    return (answer?.history?.length ?? 0) > 0;
  } catch (error) {
    if (error instanceof Exit && error.message === none) return false;
    throw error;
  }
}
