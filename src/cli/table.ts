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
function linkOf({ pci }: Hardware): string {
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
const told = (one: Condition) => `${one.reason}: ${one.message}${one.action ? ` (${one.action})` : ""}`;

const faultsOf = ({ acc_status: { conditions } }: Hardware): string =>
  conditions
    .filter(({ type, status }) => status === "false" && FAULTS.has(type))
    .map(told)
    .join("; ");

/** Reasons with their message and action, false ones first. */
function whyNot({ acc_status: status }: Hardware): string {
  const against = status.conditions.filter((one) => one.status !== "true");
  const said = [
    ...against.filter((one) => one.status === "false" && one.type !== "IommuReady"),
    ...against.filter((one) => one.status === "unknown" && !ASIDE.has(one.type)),
  ].map(told);
  if (status.setup_required) said.push("setup required");
  if (status.reboot_required) said.push("reboot required");
  return said.join("; ") || "it does not say why";
}

/** Rows in columns, the first of them their headings; the last column is as long as it must be. */
export function columns(rows: string[][]): string {
  const shown = rows.map((row) => row.map(printable));
  const width = (at: number) => Math.max(...shown.map((row) => row[at]?.length ?? 0));
  const line = (row: string[]) =>
    row.map((cell, at) => (at === row.length - 1 ? cell : cell.padEnd(width(at)))).join("  ");
  return `${shown.map(line).join("\n")}\n`;
}
