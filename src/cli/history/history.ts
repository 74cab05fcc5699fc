import type { Command } from "commander";
import type { Change } from "../../contract/change.ts";
import type { HistoryEntry } from "../../contract/device/setup.ts";
import { newestChanges, setupHistory, tried, windowsOf } from "../describe/read.ts";
import { type Flags, textOf } from "../get/kind.ts";
import { kindless } from "../get/kindless.ts";
import { hardware } from "../get/kinds/hardware.ts";
import { nodes } from "../get/kinds/nodes.ts";
import { bare } from "../get/select.ts";
import { whole, word } from "../get/words.ts";
import { writeError } from "../host/stderr.ts";
import { type Conductor, conductorOf, type FleetFlags, fleetOptions } from "../operator/conductor.ts";
import { print } from "../output.ts";
import { secondText } from "../show/age.ts";
import { json } from "../show/json.ts";
import { yaml } from "../show/yaml.ts";
import { columns, wrapWidth } from "../table.ts";
import { printable } from "../text.ts";
import { deviceThen, nodeThen } from "./former.ts";
import { changeLine } from "./lines.ts";

export const examples = `
Examples:
  sinew history hardware 8e45a2ea           what became of a device, and who set it up how: the newest first
  sinew history hardware n1/0000:3b:00.0 --limit 200
  sinew history node n1                     of a node: its states, its sources, its devices, its alarms

Changes are kept as long as \`sinew start --keep-changes\` says, also those of what was forgotten; what was set up is the node's to tell, while it answers.
Exit status: 0 done, 1 it could not be, 2 bad usage.`;

/** One thing that happened; `plain`: the same for programs. */
interface Event {
  time: string;
  cells: string[];
  plain: Record<string, unknown>;
}

export function define(command: Command): void {
  kindless(command);
  const sub = (name: string, aliases: string[], description: string) =>
    fleetOptions(
      command
        .command(name)
        .aliases(aliases)
        .description(description)
        .argument("<ID>", "by name, id or the beginning of an id")
        .option("--limit <COUNT>", "so many of the newest", "50")
        .option("-o, --output <FORMAT>", "table, json or yaml", "table")
        .option("--no-headers", "rows alone"),
    );
  sub("hardware", hardware.aliases, "what became of one device, and how it was set up").action(
    (id: string, flags: Flags & FleetFlags) => history(bare(hardware)(id), flags, ofDevice),
  );
  sub("node", ["nodes"], "what became of one node and what is in it").action((id: string, flags: Flags & FleetFlags) =>
    history(bare(nodes)(id), flags, ofNode),
  );
}

async function history(
  id: string,
  flags: Flags & FleetFlags,
  read: (conductor: Conductor, id: string, limit: number) => Promise<{ events: Event[]; whole: boolean }>,
): Promise<void> {
  const limit = whole("--limit", textOf(flags, "limit") ?? "50", 1);
  const output = word("--output", textOf(flags, "output"), ["table", "json", "yaml"]) ?? "table";
  const { events, whole: all } = await read(await conductorOf(flags), id, limit);
  const shown = events.slice(0, limit);
  const plain = { history: shown.map((one) => one.plain) };
  if (output === "json") return print(`${json(plain, 2)}\n`);
  if (output === "yaml") return print(yaml(plain));
  const rows = shown.map(({ cells }) => cells);
  const headings = flags.headers === false ? [] : [["TIME (UTC)", "KIND", "WHAT"]];
  if (rows.length > 0) await print(columns([...headings, ...rows], { wrap: wrapWidth() }));
  else writeError("sinew: nothing that is kept\n");
  if (!all && shown.length >= limit) writeError(`sinew: there may be more: --limit ${limit * 10}\n`);
}

async function ofDevice(conductor: Conductor, said: string, limit: number) {
  const { uuid, node, there } = await deviceThen(conductor, said);
  // One more than is shown: it says what the last one changed.
  const [{ changes, whole: all }, setup] = await Promise.all([
    newestChanges(conductor, { uuid, node }, limit + 1),
    tried(async () => (there ? setupHistory(conductor, uuid) : [])),
  ]);
  if ("why" in setup) writeError(`sinew: how it was set up is not known: ${setup.why}\n`);
  const events = [...(await eventsOf(conductor, changes)), ...("found" in setup ? setup.found.map(written) : [])];
  return { events: events.toSorted((a, b) => Date.parse(b.time) - Date.parse(a.time)), whole: all };
}

async function ofNode(conductor: Conductor, said: string, limit: number) {
  const node = await nodeThen(conductor, said);
  const { changes, whole: all } = await newestChanges(conductor, { node }, limit + 1);
  return { events: await eventsOf(conductor, changes, { about: true }), whole: all };
}

async function eventsOf(conductor: Conductor, changes: Change[], options: { about?: boolean } = {}): Promise<Event[]> {
  const silenced = changes.some(({ alarm }) => alarm && alarm.silenced_by !== null);
  const read = silenced ? await tried(() => windowsOf(conductor)) : null;
  const windows = read && "found" in read ? read.found : [];
  return changes.map((change, at) => {
    const cells = changeLine(change, { older: changes.slice(at + 1), windows, ...options });
    const { revision, time, kind, node, uuid } = change;
    return { time, cells, plain: { time, kind, what: cells[2], revision, node, uuid } };
  });
}

function written(entry: HistoryEntry): Event {
  const { time, kind, actor, path, from, to, outcome, message } = entry;
  const text = `${path}: ${from ?? "-"} -> ${to || '""'}, ${outcome}${message ? `: ${message}` : ""}, by ${actor}`;
  return { time, cells: [secondText(time), kind, printable(text)], plain: { what: text, ...entry } };
}
