import type { Command } from "commander";
import type { Node } from "../../contract/node.ts";
import { Exit } from "../exit.ts";
import { kindless } from "../get/kindless.ts";
import { nodeCalled, nodes } from "../get/kinds/nodes.ts";
import { bare } from "../get/select.ts";
import { conductorOf, type FleetFlags, fleetOptions } from "../operator/conductor.ts";
import { print } from "../output.ts";
import { json as asJson } from "../show/json.ts";
import { printable } from "../text.ts";
import { patch } from "./target.ts";

export const examples = `
Examples:
  sinew rename node n1 r7-03     whatever its agent says, it is shown as r7-03 everywhere
  sinew rename node r7-03 --undo what it says itself shows again

Exit status: 0 done, 1 it could not be, 2 bad usage.`;

interface Flags extends FleetFlags {
  undo?: true;
  json?: true;
}

export function define(command: Command): void {
  kindless(command);
  const node = command
    .command("node")
    .description("give a node another name than it says")
    .argument("<NODE>", "by name, or by the beginning of the id")
    .argument("[NAME]", "the new name, which no other node has");
  fleetOptions(node)
    .option("--undo", "take the name back that was given")
    .option("--json", "the node as one JSON document")
    .action(async (said: string, name: string | undefined, { undo, json, ...flags }: Flags) => {
      if ((name === undefined) !== (undo === true))
        throw new Exit(2, `expected either a new NAME or --undo, found ${undo ? "both" : "neither"}`);
      const conductor = await conductorOf(flags);
      const before = await nodeCalled(conductor, bare(nodes)(said));
      const after = (await patch(conductor, { of: "node", node: before }, { name: name ?? null })) as Node | null;
      if (typeof after?.name !== "string") throw new Exit(1, "expected a node, got something else");
      if (json) return print(`${asJson(after)}\n`);
      await print(printable(`node/${before.name} is node/${after.name}`).concat("\n"));
    });
}
