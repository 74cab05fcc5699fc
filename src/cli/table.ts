import type { Hardware } from "../contract/hardware.ts";
import { printable } from "./text.ts";

/** How a terminal (or a pipe, a file) takes text. */
export interface Terminal {
  colour: boolean;
}

export const terminal = (stream: { isTTY?: boolean }, env: Record<string, string | undefined>): Terminal => ({
  // https://no-color.org: any value but an empty one.
  colour: stream.isTTY === true && !env.NO_COLOR && env.TERM !== "dumb",
});

const HEADINGS = ["KIND", "ADDRESS", "SLOT", "NAME", "KERNEL DRIVER", "NUMA", "LINK", "READY", "WHY NOT"];
const READY = HEADINGS.indexOf("READY");

/** One line a device: what it is, where, whether it is ready and if not why. The last column is as long as it must be. */
export function hardwareTable(devices: readonly Hardware[], { colour }: Terminal): string {
  const rows = [HEADINGS, ...devices.map(row)];
  const widths = HEADINGS.map((_, column) => Math.max(...rows.map((cells) => [...(cells[column] ?? "")].length)));
  return rows
    .map((cells, line) =>
      cells
        .map((cell, column) => {
          const padded = cell + " ".repeat((widths[column] ?? 0) - [...cell].length);
          return colour && line > 0 && column === READY ? `\x1b[${cell === "yes" ? 32 : 31}m${padded}\x1b[39m` : padded;
        })
        .join("  ")
        .trimEnd(),
    )
    .map((line) => `${line}\n`)
    .join("");
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

/** Longer cells widen no column: one peer's text would be blanks in every row. */
const MOST_WIDE = 128;

interface Alignment {
  /** Colours a cell before it is padded. */
  paint?: (cell: string, column: number, line: number) => string;
  /** What columns have been so far: rows that come later are aligned with those before. Grows. */
  widths?: number[];
  /** Lines are cut off there, as a terminal would break them. */
  width?: number;
}

/** Rows in columns, the first of them their headings; the last column is as long as it must be. */
export function columns(rows: string[][], { paint = (cell) => cell, widths = [], width }: Alignment = {}): string {
  const shown = rows.map((row) => row.map(printable));
  const lengths = shown.map((row) => row.map((cell) => [...cell].length));
  const widens = (length = 0) => (length > MOST_WIDE ? 0 : length);
  for (const [at] of (shown[0] ?? []).entries())
    widths[at] = lengths.reduce((most, row) => Math.max(most, widens(row[at])), widths[at] ?? 0);
  const text = (row: string[], line: number) => {
    let left = width ?? Number.POSITIVE_INFINITY;
    return row
      .map((cell, at) => {
        const gap = at === row.length - 1 ? 0 : Math.max(0, (widths[at] ?? 0) - (lengths[line]?.[at] ?? 0)) + 2;
        const whole = (lengths[line]?.[at] ?? 0) <= left;
        const kept = whole ? cell : [...cell].slice(0, Math.max(0, left)).join("");
        const room = Math.min(gap, Math.max(0, left - (lengths[line]?.[at] ?? 0)));
        left -= (lengths[line]?.[at] ?? 0) + gap;
        return `${paint(kept, at, line)}${" ".repeat(room)}`;
      })
      .join("");
  };
  return `${shown.map(text).join("\n")}\n`;
}
