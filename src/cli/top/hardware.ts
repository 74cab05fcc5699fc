import type { Telemetry } from "../../contract/device/telemetry.ts";
import { type Read, tried } from "../describe/read.ts";
import type { Column } from "../get/kind.ts";
import { type Device, hardware, statusOf, whyOf } from "../get/kinds/hardware.ts";
import type { Conductor } from "../operator/conductor.ts";

/** Each is a question to its node, which the node's link and the conductor carry. */
const AT_ONCE = 8;

export interface Measured {
  device: Device;
  /** Null: what is not FRESH is not asked. */
  telemetry: Read<Telemetry> | null;
}

/** Asks for what is measured of devices, some at once. */
export async function measured(conductor: Conductor, devices: readonly Device[]): Promise<Measured[]> {
  const found: Measured[] = devices.map((device) => ({ device, telemetry: null }));
  const waiting = found.filter(({ device }) => device.hardware.freshness === "FRESH").values();
  const worker = async () => {
    for (const one of waiting) {
      const path = `/hardware/${one.device.hardware.uuid}/telemetry`;
      one.telemetry = await tried(async () => (await conductor.ask(path)) as Telemetry);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  return found.toSorted((a, b) => rank(a) - rank(b) || (most(b, HEAT) ?? -1) - (most(a, HEAT) ?? -1));
}

const HEAT = "temperature_celsius";

/** What is not well first. */
const rank = ({ device }: Measured) =>
  Number(device.hardware.acc_status.ready && device.hardware.freshness === "FRESH");

const valuesOf = ({ telemetry }: Measured, name: string): number[] =>
  telemetry && "found" in telemetry
    ? telemetry.found.measurements.filter((one) => one.name === name).map(({ value }) => value)
    : [];

/** The highest of a device's sensors; null: none. */
function most(one: Measured, name: string): number | null {
  const values = valuesOf(one, name);
  return values.length === 0 ? null : Math.max(...values);
}

const number = (value: number | null, unit: string, digits = 0) =>
  value === null ? "-" : `${value.toFixed(digits)}${unit}`;

function memory(one: Measured): string {
  const used = most(one, "memory_used_bytes");
  const size = one.device.hardware.attributes.memory_bytes;
  if (used === null) return "-";
  return `${gib(used)}${typeof size === "number" ? ` of ${gib(size)}` : ""}`;
}

const gib = (bytes: number) => `${(bytes / 2 ** 30).toFixed(1)}GiB`;

function errors(one: Measured): string {
  const values = valuesOf(one, "aer_errors_total");
  return values.length === 0 ? "-" : String(values.reduce((sum, value) => sum + value, 0));
}

/** What is wrong with it, and why nothing was measured. */
function reason({ device, telemetry }: Measured): string {
  const why = whyOf(device).said.map(({ text }) => text);
  if (telemetry && "why" in telemetry) why.push(`not measured: ${telemetry.why}`);
  return why.join("; ");
}

const own = hardware.columns.filter(({ heading }) => ["ID", "NODE", "TYPE", "NAME", "ADDRESS"].includes(heading));

export const COLUMNS: Column<Measured>[] = [
  ...own.map(({ heading, of }): Column<Measured> => ({ heading, of: ({ device }, look) => of(device, look) })),
  { heading: "STATUS", of: ({ device }) => statusOf(device) },
  { heading: "TEMP", of: (one) => number(most(one, HEAT), "C") },
  { heading: "POWER", of: (one) => number(most(one, "power_watts"), "W", 1) },
  {
    heading: "UTIL",
    of: (one) => {
      const ratio = most(one, "utilization_ratio");
      return number(ratio === null ? null : ratio * 100, "%");
    },
  },
  { heading: "MEMORY", of: memory },
  { heading: "ERRORS", of: errors },
  { heading: "REASON", of: reason },
];
