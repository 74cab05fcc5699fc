import type { Command } from "commander";
import { call } from "./operator/call.ts";
import { type FleetFlags, fleet, fleetOptions } from "./operator/conductor.ts";
import { print } from "./output.ts";
import { printable } from "./text.ts";

export const examples = `
Examples:
  sinew node rekey rack7-gpu3     its key was stolen or lost, or its machine replaced: it has to join again

Exit status: 0 done, 1 it could not be, 2 bad usage.`;

export function define(command: Command): void {
  const rekey = command
    .command("rekey")
    .description(
      "forget a node's key: its link is closed within seconds, and the next machine that joins as it sets a new one",
    )
    .argument("<NODE>", "its id, or its name where only one node has it");
  fleetOptions(rekey).action(async (node: string, flags: FleetFlags) => {
    await call(await fleet(flags), { method: "POST", path: `/nodes/${encodeURIComponent(node)}/rekey` });
    await print(
      `the key of ${printable(node)} is forgotten; join it again with a token of \`sinew token create --node ${printable(node)}\`\n`,
    );
  });
}
