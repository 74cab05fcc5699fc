import type { Command } from "commander";
import { Away } from "../exit.ts";
import { tableText } from "../get/columns.ts";
import type { Column, Flags } from "../get/kind.ts";
import { textOf } from "../get/kind.ts";
import { listless } from "../get/kindless.ts";
import { hardware } from "../get/kinds/hardware.ts";
import { nodes } from "../get/kinds/nodes.ts";
import { colours, moreText, plainOf, screenful, sizeOf } from "../get/show.ts";
import { once, whole, word } from "../get/words.ts";
import { writeError } from "../host/stderr.ts";
import { type Conductor, conductorOf, type FleetFlags, fleetOptions } from "../operator/conductor.ts";
import { print } from "../output.ts";
import { durationMs } from "../show/duration.ts";
import { json } from "../show/json.ts";
import { COLUMNS as DEVICE_COLUMNS, measured } from "./hardware.ts";
import { counted, COLUMNS as NODE_COLUMNS } from "./nodes.ts";

export const examples = `
Examples:
  sinew top hardware                 status, temperature, power, utilisation, memory, errors; what is not well first
  sinew top hardware --node n1       of one node
  sinew top nodes                    how many devices of each node are ready, and how many alarms fire

On a terminal it is asked again every few seconds; into a pipe once. What is not measured is \`-\`: see \`docs/health.md\`.
Exit status: 0 done, 1 it could not be, 2 bad usage.`;

export function define(command: Command): void {
  listless(command);
  const sub = (name: string, aliases: string[], description: string) =>
    command
      .command(name)
      .aliases(aliases)
      .description(description)
      .option("--every <TIME>", "on a terminal, how often", "5s")
      .option("--no-headers", "rows alone")
      .option("-o, --output <FORMAT>", "table or json", "table");
  const devices = sub("hardware", hardware.aliases, "what is measured of devices, and what is not well");
  hardware.filters(devices);
  once(devices);
  devices.option("--limit <COUNT>", "measure no more than so many: each is a question to its node", "100");
  fleetOptions(devices).action((flags: Flags & FleetFlags) => top(flags, DEVICE_COLUMNS, topHardware));
  const machines = sub("nodes", nodes.aliases, "of each node how much is ready, and what fires");
  nodes.filters(machines);
  once(machines);
  fleetOptions(machines).action((flags: Flags & FleetFlags) => top(flags, NODE_COLUMNS, topNodes));
}

interface Shown<T> {
  rows: T[];
  plain: unknown;
  /** What is to be known beside the rows. */
  note: string | null;
}

async function topHardware(conductor: Conductor, flags: Flags) {
  const limit = whole("--limit", textOf(flags, "limit") ?? "100", 1);
  const asking = await hardware.ask(conductor, flags, []);
  return async () => {
    const { rows } = await asking.list();
    // What is not well is looked at first where not all are.
    const ordered = rows.toSorted((a, b) => Number(a.hardware.acc_status.ready) - Number(b.hardware.acc_status.ready));
    const found = await measured(conductor, ordered.slice(0, limit));
    const plain = found.map(({ device, telemetry }) => ({
      hardware: plainOf(hardware, device),
      telemetry: telemetry && "found" in telemetry ? telemetry.found : null,
    }));
    const more = rows.length - found.length;
    return {
      rows: found,
      plain: { hardware: plain },
      note: more > 0 ? `${more} more are not measured: --limit, --node or -l` : null,
    };
  };
}

async function topNodes(conductor: Conductor, flags: Flags) {
  const asking = await nodes.ask(conductor, flags, []);
  return async () => {
    const rows = await counted(conductor, (await asking.list()).rows);
    return {
      rows,
      plain: { nodes: rows.map((row) => ({ ...row, node: plainOf(nodes, row), alarms: row.alarms.length })) },
      note: null,
    };
  };
}

async function top<T>(
  flags: Flags & FleetFlags,
  columns: Column<T>[],
  prepare: (conductor: Conductor, flags: Flags) => Promise<() => Promise<Shown<T>>>,
): Promise<void> {
  const output = word("--output", textOf(flags, "output"), ["table", "json"]) ?? "table";
  const every = durationMs("--every", textOf(flags, "every") ?? "5s");
  const headings = flags.headers !== false;
  const conductor = await conductorOf(flags);
  const look = await prepare(conductor, flags);
  if (output === "json") return print(`${json((await look()).plain, 2)}\n`);
  if (!process.stdout.isTTY || process.env.TERM === "dumb") {
    const { rows, note } = await look();
    await print(
      tableText(columns, rows, { now: conductor.now() }, { headings: headings && rows.length > 0, colour: colours() }),
    );
    if (rows.length === 0) writeError("sinew: nothing is like that\n");
    if (note !== null) writeError(`sinew: ${note}\n`);
    return;
  }
  let shown: Shown<T> = { rows: [], plain: null, note: null };
  for (let first = true; ; first = false) {
    shown = await look().catch((error) => {
      if (first || !(error instanceof Away)) throw error;
      return { ...shown, note: `${error.message}; trying again` };
    });
    const { rows, note } = shown;
    const { height, width } = sizeOf(process.stdout);
    const visible = rows.slice(0, Math.max(1, height - (headings ? 2 : 1) - (note === null ? 0 : 1)));
    const text = tableText(columns, visible, { now: conductor.now() }, { headings, colour: colours(), width });
    const hidden = rows.length - visible.length;
    const more = hidden > 0 ? [moreText(hidden).slice(0, width)] : [];
    const lines = [...text.split("\n").slice(0, -1), ...more, ...(note === null ? [] : [note.slice(0, width)])];
    await print(screenful(lines));
    await new Promise((resume) => setTimeout(resume, every));
  }
}
