import type { Command } from "commander";
import { AlarmKind } from "../../contract/fleet/alarm.ts";
import type { NewWindow, Window, WindowList } from "../../contract/fleet/window.ts";
import { Exit } from "../exit.ts";
import { once, word } from "../get/words.ts";
import { writeError } from "../host/stderr.ts";
import { call } from "../operator/call.ts";
import { type FleetFlags, fleet, fleetOptions } from "../operator/conductor.ts";
import type { Where } from "../operator/way.ts";
import { print } from "../output.ts";
import { secondText } from "../show/age.ts";
import { durationMs } from "../show/duration.ts";
import { json as asJson } from "../show/json.ts";
import { columns, wrapWidth } from "../table.ts";
import { printable } from "../text.ts";
import { hasLabelled, unlessNode } from "./asked.ts";
import { beginningOf } from "./beginning.ts";

export const examples = `
Examples:
  sinew window add --node rack7-gpu3 --for 2h --comment "new disks"
  sinew window add --label rack=7 --from 2026-12-01T22:00:00Z --for 4h
  sinew window add --all --for 30m    everything that fires, such as while the network is down
  sinew window list
  sinew window end 5b0c8a7e      by the beginning of its id

Meanwhile alarms that match are shown as silenced, and nobody is told. One that fires still when it ends is told then.
Exit status: 0 done, 1 it could not be, 2 bad usage.`;

interface Flags extends FleetFlags {
  node?: string;
  label?: string[];
  kind?: string;
  all?: true;
  from?: string;
  for: string;
  comment?: string;
}

export function define(command: Command): void {
  const sub = (name: string, description: string) => fleetOptions(command.command(name).description(description));
  const adding = command.command("add").description("tell nobody of some alarms for a while");
  adding
    .option(
      "--node <NODE>",
      "of one node, by its id or name; for more of them one window each, or a label that they have",
    )
    .option(
      "--label <NAME=VALUE>",
      "of nodes with this label; again for one that they have as well",
      (one, more: string[] = []) => [...more, one],
    )
    .option("--kind <KIND>", "such as agent.lost")
    .option("--all", "of everything that fires")
    .option("--from <TIME>", "when it begins, as 2026-12-01T22:00:00Z (default: now)")
    .requiredOption("--for <TIME>", "how long, such as 30m, 2h, 1d")
    .option("--comment <TEXT>", "what others are to know");
  once(adding);
  fleetOptions(adding).action((flags: Flags) => add(flags));
  sub("list", "show the windows there are")
    .option("--json", "one JSON document")
    .action(async ({ json, ...flags }: FleetFlags & { json?: true }) => {
      const windows = await all(await fleet(flags));
      if (json) return print(`${asJson({ windows }, 2)}\n`);
      if (windows.length === 0) return print("There is none.\n");
      const rows = windows.map(({ id, starts_at, ends_at, matcher, comment }) =>
        [id.slice(0, 8), secondText(starts_at), secondText(ends_at), described(matcher), comment ?? "-"].map(printable),
      );
      await print(columns([["ID", "FROM (UTC)", "TO (UTC)", "WHAT", "COMMENT"], ...rows], { wrap: wrapWidth() }));
    });
  sub("end", "end a window, or take it back")
    .argument("<ID>", "its id, or 4 characters or more of its beginning")
    .action(async (beginning: string, flags: FleetFlags) => {
      const where = await fleet(flags);
      const begins = beginningOf(beginning);
      const found = (await all(where)).filter(begins);
      const [one] = found;
      if (!one || found.length > 1)
        throw new Exit(1, `${found.length} windows have an id that begins with ${printable(beginning)}, expected one`);
      await call(where, { method: "DELETE", path: `/windows/${one.id}` });
      await print(`ended ${one.id}\n`);
    });
}

const described = ({ node, kind, labels = {} }: Window["matcher"]) =>
  [node, kind, ...Object.entries(labels).map((one) => one.join("="))].filter(Boolean).join(" ") || "everything";

async function all(where: Where): Promise<Window[]> {
  const list = (await call(where, { path: "/windows" })).body as WindowList | null;
  if (Array.isArray(list?.windows)) return list.windows;
  throw new Exit(1, "expected a list of windows, got something else");
}

/** The year 10000, which RFC 3339 cannot write. */
const LAST = Date.UTC(10_000, 0);

async function add({ node, label = [], kind, all, from, for: length, comment, ...flags }: Flags): Promise<void> {
  const chosen = node !== undefined || label.length > 0 || kind !== undefined;
  if (chosen === (all === true))
    throw new Exit(2, `expected --node, --label, --kind, or --all alone, found ${chosen ? "both" : "none of them"}`);
  const where = await fleet(flags);
  const known = word("--kind", kind, AlarmKind.options);
  const ms = durationMs("--for", length);
  const start = from === undefined ? Date.now() : Date.parse(from);
  if (Number.isNaN(start))
    throw new Exit(2, `--from: expected a time such as 2026-12-01T22:00:00Z, found ${JSON.stringify(from)}`);
  const end = start + ms;
  if (!(end > Date.now() && end < LAST))
    throw new Exit(
      2,
      `--from, --for: expected a window that ends later than now, found ${new Date(start).toISOString()} and ${length}`,
    );
  const labels = label.map((text) => {
    const [, name, value] = /^([^=]+)=(.*)$/.exec(text) ?? [];
    if (name === undefined || value === undefined)
      throw new Exit(2, `--label: expected NAME=VALUE, found ${JSON.stringify(text)}`);
    return [name, value] as const;
  });
  const body: NewWindow = {
    starts_at: new Date(start).toISOString(),
    ends_at: new Date(end).toISOString(),
    matcher: {
      ...(node === undefined ? {} : { node }),
      ...(labels.length === 0 ? {} : { labels: Object.fromEntries(labels) }),
      ...(known === undefined ? {} : { kind: known }),
    },
    ...(comment === undefined ? {} : { comment }),
  };
  const made = (await call(where, { method: "POST", path: "/windows", body })).body as Window | null;
  if (typeof made?.id !== "string") throw new Exit(1, "expected a window, got something else");
  await print(`${printable(made.id)}\n`);
  const when = `${from === undefined ? "" : `from ${secondText(made.starts_at)} `}until ${secondText(made.ends_at)} UTC`;
  writeError(`sinew: silenced ${when}: ${printable(described(body.matcher))}\n`);
  const note = (what: string, near = "") =>
    writeError(
      `sinew: note: no node has ${printable(what)} now, and the window is for one to come${printable(near)}\n`,
    );
  const near = node === undefined ? null : await unlessNode(where, node);
  if (near !== null) note(`the id or the name ${JSON.stringify(node)}`, near);
  if (labels.length > 0 && !(await hasLabelled(where, labels)))
    note(`the label ${labels.map((one) => one.join("=")).join(" ")}`);
}
