import type { Command } from "commander";
import type { Hardware } from "../../contract/hardware.ts";
import type { Operation } from "../../contract/operation.ts";
import { Exit } from "../exit.ts";
import type { Where } from "../operator/way.ts";
import { print } from "../output.ts";
import { json as asJson } from "../show/json.ts";
import { allDevices, carryOut, chosen, type DeviceTier, deviceTier, onOneNode, titleOf, whereOptions } from "./tier.ts";

export const examples = `
It asks the agent of this node, which knows the configuration (\`sinew start --config FILE\`). \`sinew plan\` shows
beforehand what is written and what speaks against it. What is as wanted is left as it is.
DEVICE is a uuid, a PCI address or a slot; without it, every device that a rule is about.

Examples:
  sinew apply 3b:00.0                        one device
  sinew apply                                everything that is configured
  sinew apply 5e:00.0 --force default-route  also where that one thing speaks against it

Exit status: 0 done, 1 it could not be, 2 bad usage.`;

export function define(command: Command): void {
  whereOptions(command)
    .argument("[DEVICE]", "a uuid, a PCI address or a slot")
    .option(
      "--force <NAME>",
      "override the refusal of this name, and no other; may be given again",
      (name: string, before: string[] = []) => [...before, name],
    )
    .option("--json", "one JSON document")
    .action(async (device: string | undefined, flags: Where & { force?: string[]; json?: true }) => {
      forceOfOne(flags, device);
      const tier = await deviceTier(flags);
      const devices = chosen(await allDevices(tier), device);
      if (devices.length === 0 && !flags.json) {
        return print(
          "No rule of this node's configuration (sinew start --config FILE) is about a device that is here.\n",
        );
      }
      const body = flags.force ? { force: flags.force } : {};
      await forEach(tier, devices, { body, json: flags.json === true, nothing: "as wanted; nothing was written" });
    });
}

/** What is forced is forced on a device that somebody looked at, and on no other that happens to be refused for the same. */
export function forceOfOne({ force }: { force?: string[] }, device: string | undefined): void {
  if (force === undefined || device !== undefined) return;
  throw new Exit(2, `--force ${force.join(" --force ")}: expected the DEVICE for which, found none`);
}

/**
 * One device of a node after the other; what fails keeps none of the others from its turn. Throws Exit 1 where one
 * failed, and where they are of several nodes.
 */
export async function forEach(
  tier: DeviceTier,
  devices: readonly Hardware[],
  { body, json, nothing }: { body: { revert?: boolean; force?: string[] }; json: boolean; nothing: string },
): Promise<void> {
  onOneNode(devices);
  const done: { uuid: string; operation: Operation | null; error: string | null }[] = [];
  const tell = async (line: string) => (json ? undefined : print(line));
  for (const device of devices) {
    const { uuid } = device;
    await tell(`${titleOf(device)}\n`);
    try {
      const operation = await carryOut(tier, uuid, body, (line) => tell(`  ${line}\n`));
      const failed = operation.status !== "SUCCEEDED";
      done.push({
        uuid,
        operation,
        error: failed ? (operation.children.findLast(({ error }) => error)?.error ?? "failed") : null,
      });
      if (!failed) await tell(operation.children.length === 0 ? `  ${nothing}\n` : "  done, and read back\n");
    } catch (error) {
      if (!(error instanceof Exit)) throw error;
      done.push({ uuid, operation: null, error: error.message });
      await tell(`  ${error.message.replaceAll("\n", "\n  ")}\n`);
    }
  }
  if (json) await print(`${asJson({ setups: done }, 2)}\n`);
  const failed = done.filter(({ error }) => error !== null).length;
  if (failed > 0) throw new Exit(1, `${failed} of ${done.length} could not be done`);
}
