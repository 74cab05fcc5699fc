import type { Command } from "commander";
import { writeError } from "../host/stderr.ts";
import { conductorOf, type FleetFlags, fleetOptions } from "../operator/conductor.ts";
import { print } from "../output.ts";
import type { Flags, Kind } from "./kind.ts";
import { listless } from "./kindless.ts";
import { alarms } from "./kinds/alarms.ts";
import { changes } from "./kinds/changes.ts";
import { hardware } from "./kinds/hardware.ts";
import { nodes } from "./kinds/nodes.ts";
import { operations } from "./kinds/operations.ts";
import { sources } from "./kinds/sources.ts";
import { drawn } from "./screen.ts";
import { bare } from "./select.ts";
import { OUTPUT_OPTION, outputOf, render } from "./show.ts";
import { lines, watch } from "./watch.ts";
import { once } from "./words.ts";

export const examples = `
Examples:
  sinew get hardware                     every device: where, ready or not, why not, since when, and what to do
  sinew get hardware --ready false       those that are not ready
  sinew get hardware 8e45a2ea            one, by 4 characters or more of its id; or by n1/0000:3b:00.0
  sinew get hardware -l rack=r7 -o wide  of the nodes with a label; with NUMA, IOMMU group, kernel driver, link, slot ...
  sinew get nodes                        the machines: live or lost, and what is wrong with them
  sinew get nodes --watch                the same, and each change as it comes
  sinew get alarms -o json | jq .        for programs; yaml and name as well
  sinew describe hardware 8e45a2ea       all that is known of one

Exit status: 0 done, 1 it could not be, 2 bad usage.`;

// Each with rows of its own; what they share takes them as they are.
const KINDS = [hardware, nodes, sources, alarms, operations, changes] as const;

export function define(command: Command): void {
  listless(command);
  for (const kind of KINDS) add(command, kind as Kind<unknown>);
}

function add<T>(command: Command, kind: Kind<T>): void {
  const sub = command.command(kind.name).aliases(kind.aliases).description(kind.summary);
  sub.argument("[ID...]", "some of them alone, by name, id or the beginning of an id");
  kind.filters(sub);
  const filters = sub.options.map((option) => option.attributeName());
  const isFiltered = () => filters.some((name) => sub.getOptionValueSource(name) === "cli");
  once(sub);
  sub
    .option(...OUTPUT_OPTION)
    .option("--no-headers", "rows alone")
    .option("-w, --watch", "go on with each that changes: in its place on a terminal, else a line each");
  fleetOptions(sub).action((ids: string[], flags: Flags & FleetFlags) =>
    get(kind, ids, { flags, all: ids.length === 0 && !isFiltered() }),
  );
}

/** `all`: nothing was said of which rows are meant. */
async function get<T>(
  kind: Kind<T>,
  said: string[],
  { flags, all }: { flags: Flags & FleetFlags; all: boolean },
): Promise<void> {
  const output = outputOf(flags);
  const headings = flags.headers !== false;
  const conductor = await conductorOf(flags);
  const ids = said.map(bare(kind));
  const asking = await kind.ask(conductor, flags, ids);
  if (flags.watch === true) {
    const table = output === "table" || output === "wide";
    const screen =
      table && !kind.log && process.stdout.isTTY && process.env.TERM !== "dumb"
        ? drawn(conductor, kind, { wide: output === "wide", headings, none: all ? kind.nothing : kind.none })
        : lines(conductor, kind, { output, headings });
    return watch(conductor, kind, asking, { screen, signal: new AbortController().signal });
  }
  const { rows } = await asking.list();
  await print(render(kind, rows, { output, look: { now: conductor.now() }, headings }));
  if (rows.length === 0 && (output === "table" || output === "wide"))
    writeError(`sinew: ${all ? kind.nothing : kind.none}\n`);
}
