import type { Command } from "commander";
import { type Alarm, AlarmKind, AlarmSeverity, AlarmState } from "../../contract/fleet/alarm.ts";
import { Exit } from "../exit.ts";
import { asking } from "../operator/call.ts";
import { type FleetFlags, fleet, fleetOptions } from "../operator/conductor.ts";
import { all } from "../operator/pages.ts";
import type { Where } from "../operator/way.ts";
import { print } from "../output.ts";
import { columns } from "../table.ts";
import { printable } from "../text.ts";
import { isNode, oneOf } from "./asked.ts";
import { beginningOf } from "./beginning.ts";

export const examples = `
Examples:
  sinew alarms                              what fires now
  sinew alarms --show resolved --node n1    what was wrong with one node
  sinew alarms --show pending               what will fire if it lasts
  sinew ack 3f2a9c0d --comment "on my way"  see \`sinew ack --help\`

Exit status: 0 done, 1 it could not be, 2 bad usage.`;

interface Flags extends FleetFlags {
  show: string;
  kind?: string;
  node?: string;
  severity?: string;
  acknowledged?: string;
  json?: true;
}

export function define(command: Command): void {
  fleetOptions(command);
  command
    .option("--show <WHICH>", "those that are firing, resolved or pending, or all", "firing")
    .option("--kind <KIND>", "such as agent.lost or hardware.unhealthy")
    .option("--node <NODE>", "of one node, by its id or name")
    .option("--severity <SEVERITY>", "critical or warning")
    .option("--acknowledged <BOOLEAN>", "true: somebody is on it, false: nobody is")
    .option("--json", "one JSON document")
    .action((flags: Flags) => alarms(flags));
}

async function alarms({ show, node, json, kind, severity, acknowledged, ...flags }: Flags): Promise<void> {
  const where = await fleet(flags);
  const filter = new URLSearchParams();
  const state = oneOf("--show", show, [...AlarmState.options, "all"]);
  const asked = {
    state: state === "all" ? undefined : state,
    kind: oneOf("--kind", kind, AlarmKind.options),
    node,
    severity: oneOf("--severity", severity, AlarmSeverity.options),
    acknowledged: oneOf("--acknowledged", acknowledged, ["true", "false"]),
  };
  for (const [name, value] of Object.entries(asked)) if (value !== undefined) filter.set(name, value);
  const found = await all<Alarm>(asking(where), "alarms", "/alarms", filter);
  // That nothing fires is not to be said of a name that was misspelt.
  if (found.length === 0 && node !== undefined && !(await isNode(where, node)))
    throw new Exit(1, `no node has the id or the name ${JSON.stringify(node)}`);
  if (json) return print(`${JSON.stringify({ alarms: found }, null, 2)}\n`);
  if (found.length === 0) return print(show === "firing" ? "Nothing fires.\n" : "There is none.\n");
  await print(columns([["ID", "SEVERITY", "KIND", "NODE", "SINCE (UTC)", "", "MESSAGE"], ...found.map(row)]));
}

function row({ id, severity, kind, state, node, members, since, acknowledged, silenced_by, message, action }: Alarm) {
  const noted = [
    ...(state === "firing" ? [] : [state]),
    ...(acknowledged ? [`ack ${acknowledged.by}`] : []),
    ...(silenced_by ? ["silenced"] : []),
  ];
  return [
    id.slice(0, 8),
    severity,
    kind,
    node?.name ?? `${members?.total ?? 0} nodes`,
    since.slice(0, 19).replace("T", " "),
    noted.join(", ") || "-",
    action ? `${message} (${action})` : message,
  ].map(printable);
}

/** The one open alarm whose id begins so. Throws Exit. */
export async function alarmBy(where: Where, beginning: string): Promise<Alarm> {
  const begins = beginningOf(beginning);
  const found = (await all<Alarm>(asking(where), "alarms", "/alarms", new URLSearchParams({ state: "firing" }))).filter(
    begins,
  );
  const [one] = found;
  if (one && found.length === 1) return one;
  const what = found.length === 0 ? "no alarm that fires has" : `${found.length} alarms that fire have`;
  throw new Exit(1, `${what} an id that begins with ${printable(beginning)}: see \`sinew alarms\``);
}
