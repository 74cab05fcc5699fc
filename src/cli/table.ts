import type { Hardware } from "../contract/hardware.ts";
import { hanging, LEAST } from "./show/wrap.ts";
import { printable } from "./text.ts";

/** How a terminal (or a pipe, a file) takes text. */
export interface Terminal {
  colour: boolean;
  /** How wide it is, where that is known: what is longer is broken there. A pipe or a file has no width. */
  wrap?: number | undefined;
}

export const terminal = (
  stream: { isTTY?: boolean; columns?: number },
  env: Record<string, string | undefined>,
): Terminal => ({
  // https://no-color.org: any value but an empty one.
  colour: stream.isTTY === true && !env.NO_COLOR && env.TERM !== "dumb",
  wrap: stream.isTTY === true && stream.columns ? stream.columns : undefined,
});

/** As wide as stdout is, if that is a terminal. */
export const wrapWidth = (): number | undefined => terminal(process.stdout, process.env).wrap;

const HEADINGS = ["KIND", "ADDRESS", "SLOT", "NAME", "KERNEL DRIVER", "NUMA", "LINK", "READY", "WHY NOT"];
const READY = HEADINGS.indexOf("READY");

/** One line a device: what it is, where, whether it is ready and if not why. The last column is as long as it must be. */
export function hardwareTable(devices: readonly Hardware[], { colour, wrap }: Terminal): string {
  const paint = (cell: string, column: number, line: number) =>
    colour && line > 0 && column === READY ? `\x1b[${cell === "yes" ? 32 : 31}m${cell}\x1b[39m` : cell;
  return columns([HEADINGS, ...devices.map(row)], { paint, wrap }).replace(/ +$/gm, "");
}

function row(device: Hardware): string[] {
  const { pci } = device;
  return [
    device.acc_specs.device_type,
    pci?.address ?? "-",
    pci?.slot ?? pci?.label ?? "-",
    device.name,
    pci?.kernel_driver ?? "-",
    pci?.numa_node?.toString() ?? "-",
    linkOf(device),
    device.acc_status.ready ? "yes" : "no",
    device.acc_status.ready ? faultsOf(device) : whyNot(device),
  ].map(printable);
}

/** `16.0GT/s x16`, with what the device could do where it does less. */
export function linkOf({ pci }: Hardware): string {
  const link = pci?.link;
  if (!link || link.speed_gts === null || link.width === null) return "-";
  const slower = link.max_speed_gts !== null && link.speed_gts < link.max_speed_gts;
  const narrower = link.max_width !== null && link.width < link.max_width;
  const now = `${link.speed_gts}GT/s x${link.width}`;
  return slower || narrower ? `${now} of ${link.max_speed_gts ?? "?"}GT/s x${link.max_width ?? "?"}` : now;
}

/** What a ready device has all the same: a link that lost lanes, errors. */
const FAULTS: ReadonlySet<string> = new Set(["LinkFull", "ErrorFree"]);
/** Of these an unknown state, and of an IOMMU any, has no part in why a device is not ready. */
const ASIDE: ReadonlySet<string> = new Set([...FAULTS, "IommuReady"]);

type Condition = Hardware["acc_status"]["conditions"][number];
/** `AllOnes: its config space reads all ones (power-cycle it)` */
export const told = (one: Condition) => `${one.reason}: ${one.message}${one.action ? ` (${one.action})` : ""}`;

export const faults = ({ acc_status: { conditions } }: Hardware): Condition[] =>
  conditions.filter(({ type, status }) => status === "false" && FAULTS.has(type));

const faultsOf = (device: Hardware): string => faults(device).map(told).join("; ");

/** The conditions that keep a device from being ready, false ones first. */
export function against({ acc_status: { conditions } }: Hardware): Condition[] {
  const not = conditions.filter((one) => one.status !== "true");
  return [
    ...not.filter((one) => one.status === "false" && one.type !== "IommuReady"),
    ...not.filter((one) => one.status === "unknown" && !ASIDE.has(one.type)),
  ];
}

/** Reasons with their message and action. */
function whyNot(device: Hardware): string {
  const said = against(device).map(told);
  const { setup_required, reboot_required } = device.acc_status;
  if (setup_required) said.push("setup required");
  if (reboot_required) said.push("reboot required");
  return said.join("; ") || "it does not say why";
}

/** On a narrow terminal the widest column gives way to what is behind it, down to this. */
const SHORTEST = 16;

/** How wide each column is where lines have room for so much: the last one has what the others leave. */
function fitted(widths: readonly number[], room: number | undefined): number[] {
  const others = widths.slice(0, -1);
  const whole = others.reduce((sum, one) => sum + one + GAP, 0);
  const widest = others.indexOf(Math.max(...others));
  const spare = (others[widest] ?? 0) - SHORTEST;
  // Where that is not enough, lines are broken anyway.
  if (room === undefined || spare <= 0 || whole - spare > room) return [...widths];
  const over = Math.max(0, whole + LEAST - room);
  return widths.map((one, at) => (at === widest ? one - Math.min(over, spare) : one));
}

/** Between two columns. */
const GAP = 2;
/** Longer cells widen no column: one peer's text would be blanks in every row. */
const MOST_WIDE = 128;

const shortened = (cell: string, most: number): string => {
  const all = [...cell];
  return all.length <= most ? cell : `${all.slice(0, most - 1).join("")}…`;
};

interface Alignment {
  /** Colours a cell before it is padded. */
  paint?: (cell: string, column: number, line: number) => string;
  /** What columns have been so far: rows that come later are aligned with those before. Grows. */
  widths?: number[];
  /** Lines are cut off there, as a terminal would break them. */
  width?: number | undefined;
  /** The last column is broken there into lines of its own, and nothing is cut off. */
  wrap?: number | undefined;
}

/** Rows in columns, the first of them their headings; the last column is as long as it must be. */
export function columns(
  rows: string[][],
  { paint = (cell) => cell, widths = [], width, wrap }: Alignment = {},
): string {
  const whole = rows.map((row) => row.map(printable));
  const lengthsOf = (all: string[][]) => all.map((row) => row.map((cell) => [...cell].length));
  const natural = lengthsOf(whole);
  const widens = (length = 0) => (length > MOST_WIDE ? 0 : length);
  for (const [at] of (whole[0] ?? []).entries())
    widths[at] = natural.reduce((most, row) => Math.max(most, widens(row[at])), widths[at] ?? 0);
  const fit = fitted(widths, width ?? wrap);
  const shown = whole.map((row) =>
    row.map((cell, at) => (fit[at] === widths[at] ? cell : shortened(cell, fit[at] ?? 0))),
  );
  const lengths = lengthsOf(shown);
  const text = (row: string[], line: number) => {
    const long = (at: number) => lengths[line]?.[at] ?? 0;
    const gapAfter = (at: number) => (at === row.length - 1 ? 0 : Math.max(0, (fit[at] ?? 0) - long(at)) + GAP);
    const all = row.reduce((sum, _, at) => sum + long(at) + gapAfter(at), 0);
    const cut = width !== undefined && all > width;
    let left = cut ? width - 1 : all;
    let before = 0;
    const cells = row.map((cell, at) => {
      const last = wrap !== undefined && at === row.length - 1;
      const kept = long(at) <= left ? cell : [...cell].slice(0, Math.max(0, left)).join("");
      const room = Math.min(gapAfter(at), Math.max(0, left - long(at)));
      const painted = paint(last ? hanging(kept, before, wrap) : kept, at, line);
      left -= long(at) + gapAfter(at);
      before += long(at) + gapAfter(at);
      return `${painted}${" ".repeat(room)}`;
    });
    // Before what is below them cells need no padding.
    const joined = wrap === undefined ? cells.join("") : cells.join("").replace(/ +$/gm, "");
    return `${joined}${cut && width > 0 ? "…" : ""}`;
  };
  return `${shown.map(text).join("\n")}\n`;
}
