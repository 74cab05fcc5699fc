import type { Measurement } from "../../contract/device/telemetry.ts";
import { childrenOf, inChild, textOf } from "../sysfs/facts/attributes.ts";
import type { SysfsReader } from "../sysfs/reader.ts";

/** Files of a sensor chip and what a unit of theirs is (Documentation/hwmon/sysfs-interface.rst). */
const FILES: readonly { file: RegExp; name: string; unit: number }[] = [
  { file: /^(temp\d{1,3})_input$/, name: "temperature_celsius", unit: 1e-3 },
  { file: /^(power\d{1,3})_(input|average)$/, name: "power_watts", unit: 1e-6 },
  { file: /^(fan\d{1,3})_input$/, name: "fan_rpm", unit: 1 },
  { file: /^(in\d{1,3})_input$/, name: "voltage_volts", unit: 1e-3 },
  { file: /^(curr\d{1,3})_input$/, name: "current_amperes", unit: 1e-3 },
];

/** The sensors of one chip, the directory `path` below a function's, labelled with the chip's name and their own. */
export function readSensors(reader: SysfsReader, directory: number, path: string): Measurement[] {
  const measured: Measurement[] = [];
  const files = childrenOf(reader, directory, path);
  inChild(reader, directory, path, (inside) => {
    const chip = textOf(reader, inside, "name");
    for (const file of files) {
      for (const { file: pattern, name, unit } of FILES) {
        const sensor = pattern.exec(file)?.[1];
        if (sensor === undefined) continue;
        // One that is broken, or switched off, answers an error: it measures nothing.
        const value = integer(textOf(reader, inside, file));
        if (value === null) continue;
        const label = textOf(reader, inside, `${sensor}_label`) ?? sensor;
        measured.push({
          name,
          labels: { ...(chip === null ? {} : { chip }), sensor: label },
          value: scaled(value, unit),
        });
      }
    }
  });
  return measured;
}

/** Without the tail that a binary fraction has: 45.85, not 45.850000000000001. */
const scaled = (value: number, unit: number) => Number((value * unit).toFixed(6));

/** A whole number as the kernel prints it; null for anything else. Beyond 2^53 it is rounded. */
export const integer = (text: string | null): number | null =>
  text !== null && /^-?\d{1,20}$/.test(text) ? Number(text) : null;
