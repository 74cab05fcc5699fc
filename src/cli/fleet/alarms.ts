import type { Command } from "commander";
import type { Alarm } from "../../contract/fleet/alarm.ts";
import { Exit } from "../exit.ts";
import type { Flags } from "../get/kind.ts";
import { alarms as alarmsKind } from "../get/kinds/alarms.ts";
import { bare } from "../get/select.ts";
import { OUTPUT_OPTION, outputOf, render } from "../get/show.ts";
import { once } from "../get/words.ts";
import { writeError } from "../host/stderr.ts";
import { asking } from "../operator/call.ts";
import { conductorOf, type FleetFlags, fleetOptions } from "../operator/conductor.ts";
import { all } from "../operator/pages.ts";
import type { Where } from "../operator/way.ts";
import { print } from "../output.ts";
import { printable } from "../text.ts";
import { beginningOf } from "./beginning.ts";

export const examples = `
Examples:
  sinew alarms                              what fires now
  sinew alarms --show resolved --node n1    what was wrong with one node
  sinew alarms --show pending               what will fire if it lasts
  sinew ack 3f2a9c0d --comment "on my way"  see \`sinew ack --help\`

Exit status: 0 done, 1 it could not be, 2 bad usage.`;

export function define(command: Command): void {
  alarmsKind.filters(command);
  once(command);
  command
    .option(...OUTPUT_OPTION)
    .option("--json", "as -o json")
    .option("--no-headers", "rows alone");
  fleetOptions(command).action((flags: Flags & FleetFlags) => alarms(flags));
}

const FILTERS = ["kind", "node", "label", "severity", "acknowledged"];

/** `sinew get alarms`, which says in words that nothing fires. */
async function alarms({ json, ...flags }: Flags & FleetFlags): Promise<void> {
  const output = json === true ? "json" : outputOf(flags);
  const conductor = await conductorOf(flags);
  const { rows } = await (await alarmsKind.ask(conductor, flags, [])).list();
  const headings = flags.headers !== false;
  if (rows.length === 0 && (output === "table" || output === "wide")) {
    // Of what was asked for there is none: others may fire.
    const { show, ...chosen } = flags;
    const all = show === "firing" && FILTERS.every((name) => chosen[name] === undefined);
    if (all && headings) return print("Nothing fires.\n");
    return writeError(`sinew: ${all ? "nothing fires" : alarmsKind.none}\n`);
  }
  const look = { now: conductor.now() };
  await print(render(alarmsKind, rows, { output, look, headings }));
}

/** The one open alarm whose id begins so. Throws Exit. */
export async function alarmBy(where: Where, beginning: string): Promise<Alarm> {
  const begins = beginningOf(bare(alarmsKind)(beginning));
  const found = (await all<Alarm>(asking(where), "alarms", "/alarms", new URLSearchParams({ state: "firing" }))).filter(
    begins,
  );
  const [one] = found;
  if (one && found.length === 1) return one;
  const what = found.length === 0 ? "no alarm that fires has" : `${found.length} alarms that fire have`;
  throw new Exit(1, `${what} an id that begins with ${printable(beginning)}: see \`sinew alarms\``);
}
