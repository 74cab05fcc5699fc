import type { Command } from "commander";
import type { Hardware } from "../../contract/hardware.ts";
import { deviceCalled } from "../describe/read.ts";
import { Exit } from "../exit.ts";
import { kindless } from "../get/kindless.ts";
import { hardware } from "../get/kinds/hardware.ts";
import { nodeCalled, nodes } from "../get/kinds/nodes.ts";
import { bare } from "../get/select.ts";
import { writeError } from "../host/stderr.ts";
import { call } from "../operator/call.ts";
import { type Conductor, conductorOf, type FleetFlags, fleetOptions } from "../operator/conductor.ts";
import { all } from "../operator/pages.ts";
import { print } from "../output.ts";
import { count } from "../show/count.ts";
import { pathOf, type Target, titleOf } from "./target.ts";

export const examples = `
Examples:
  sinew forget node rack7-gpu3          it went back to its maker: its devices, sources, key and labels go with it
  sinew forget hardware 8ec83353        a card that is GONE, and is not coming back
  sinew forget node rack7-gpu3 --yes    without being asked, as a script has to

What is still heard, and a device that is not GONE, is not forgotten: stop the node's agent first. Should it come back it is a
new one; one that had joined has to join again. Who had it forgotten stays in the audit trail.
Exit status: 0 done, 1 it could not be, 2 bad usage.`;

interface Flags extends FleetFlags {
  yes?: true;
}

export function define(command: Command): void {
  kindless(command);
  const sub = (name: string, aliases: string[], description: string, argument: [string, string], find: Find) =>
    fleetOptions(
      command
        .command(name)
        .aliases(aliases)
        .description(description)
        .argument(...argument),
    )
      .option("--yes", "do not ask; without a terminal it has to be said")
      .action((words: string[], { yes, ...flags }: Flags) => forget(words, { yes: yes === true, find, flags }));
  sub(
    "node",
    ["nodes"],
    "forget nodes with all that is stored of them",
    ["<NODE...>", "by name, or by the beginning of the id"],
    async (conductor, said) => ({ of: "node", node: await nodeCalled(conductor, bare(nodes)(said)) }),
  );
  sub(
    "hardware",
    hardware.aliases,
    "forget devices that are GONE",
    ["<ID...>", "a device by NODE/ADDRESS, or by the beginning of its id"],
    async (conductor, said) => ({ of: "hardware", device: await deviceCalled(conductor, bare(hardware)(said)) }),
  );
}

type Find = (conductor: Conductor, said: string) => Promise<Target>;

async function forget(
  words: string[],
  { yes, find, flags }: { yes: boolean; find: Find; flags: FleetFlags },
): Promise<void> {
  if (!yes && !process.stdin.isTTY)
    throw new Exit(2, "there is no terminal to ask whether it is meant: --yes says that it is");
  const conductor = await conductorOf(flags);
  // A word that means nothing ends it before anything is forgotten.
  const meant: Target[] = [];
  for (const said of words) meant.push(await find(conductor, said));
  for (const one of meant) {
    if (!yes && !(await isMeant(conductor, one))) throw new Exit(1, "nothing was forgotten");
    await call(conductor.where, { method: "DELETE", path: pathOf(one) });
    await print(`${titleOf(one)} forgotten\n`);
  }
}

/** Asks whoever sits there. */
async function isMeant(conductor: Conductor, one: Target): Promise<boolean> {
  const devices = one.of === "node" ? await devicesOf(conductor, one.node.id) : 0;
  const more = one.of === "node" ? ` and its ${count(devices, "device")}` : "";
  writeError(`forget ${titleOf(one)}${more}? [y/N] `);
  const { createInterface } = await import("node:readline/promises");
  const lines = createInterface({ input: process.stdin });
  const [answer] = await Promise.race([
    new Promise<[string]>((resume) => lines.once("line", (line) => resume([line]))),
    // The end of the input is no yes.
    new Promise<[string]>((resume) => lines.once("close", () => resume([""]))),
  ]);
  lines.close();
  return /^y(es)?$/i.test(answer.trim());
}

const devicesOf = async (conductor: Conductor, node: string): Promise<number> =>
  (await all<Hardware>(conductor.ask, "hardware", "/hardware", new URLSearchParams({ node }))).length;
