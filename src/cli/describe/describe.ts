import type { Command } from "commander";
import { Exit } from "../exit.ts";
import { type Flags, textOf } from "../get/kind.ts";
import { kindless } from "../get/kindless.ts";
import { hardware } from "../get/kinds/hardware.ts";
import { nodes } from "../get/kinds/nodes.ts";
import { bare } from "../get/select.ts";
import { word } from "../get/words.ts";
import { type Conductor, conductorOf, type FleetFlags, fleetOptions } from "../operator/conductor.ts";
import { print } from "../output.ts";
import { json } from "../show/json.ts";
import { type Section, sectionsText } from "../show/sections.ts";
import { yaml } from "../show/yaml.ts";
import { wrapWidth } from "../table.ts";
import { deviceSections, plainDevice, readDevice } from "./hardware.ts";
import { nodeSections, plainNode, readNode } from "./node.ts";

export const examples = `
Examples:
  sinew describe hardware 8e45a2ea           by 4 characters or more of its id
  sinew describe hardware n1/0000:3b:00.0    by its node and address
  sinew describe node n1                     its conditions, hardware, sources, alarms, and what changed last
  sinew describe node n1 -o json             all of that for programs

Exit status: 0 done, 1 it could not be, 2 bad usage.`;

export function define(command: Command): void {
  kindless(command);
  const sub = (name: string, aliases: string[], description: string) =>
    fleetOptions(
      command
        .command(name)
        .aliases(aliases)
        .description(description)
        .argument("<ID...>", "by name, id or the beginning of an id")
        .option("-o, --output <FORMAT>", "text, json or yaml", "text"),
    );
  sub(
    "hardware",
    hardware.aliases,
    "one device: what and where it is, its conditions, who holds it, alarms, setup, changes",
  ).action((ids: string[], flags: Flags & FleetFlags) =>
    describe(ids.map(bare(hardware)), flags, readDevice, { plain: plainDevice, sections: deviceSections }),
  );
  sub("node", ["nodes"], "one node: its state and conditions, its hardware and sources, alarms, changes").action(
    (ids: string[], flags: Flags & FleetFlags) =>
      describe(ids.map(bare(nodes)), flags, readNode, { plain: plainNode, sections: nodeSections }),
  );
}

async function describe<T>(
  ids: string[],
  flags: Flags & FleetFlags,
  read: (conductor: Conductor, id: string) => Promise<T>,
  { plain, sections }: { plain: (read: T) => unknown; sections: (read: T, now: number) => Section[] },
): Promise<void> {
  const output = word("--output", textOf(flags, "output"), ["text", "json", "yaml"]) ?? "text";
  if (ids.length === 0) throw new Exit(2, "expected an ID, found none");
  const conductor = await conductorOf(flags);
  for (const [at, id] of ids.entries()) {
    const found = await read(conductor, id);
    if (output === "json") await print(`${json(plain(found), 2)}\n`);
    else if (output === "yaml") await print(`${ids.length > 1 ? "---\n" : ""}${yaml(plain(found))}`);
    else await print(`${at > 0 ? "\n\n" : ""}${sectionsText(sections(found, conductor.now()), wrapWidth())}`);
  }
}
