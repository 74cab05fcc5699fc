import { DEVICE_TYPES } from "../contract/hardware.ts";
import type { DeviceCount } from "../db/queries/fleet/counts.ts";
import type { Metrics, Sample } from "./metrics.ts";

const KNOWN: ReadonlySet<string> = new Set(DEVICE_TYPES);

/** Drivers of one's own may name any type, so those that this version does not know are one. */
export const typeLabel = (deviceType: string): string => (KNOWN.has(deviceType) ? deviceType : "other");

/** How many devices a tier shows, and how many of them are ill, by kind. */
export function deviceFamilies(metrics: Metrics, counts: () => Promise<readonly DeviceCount[]>): void {
  metrics.gauge(
    "sinew_devices",
    "Devices, by kind, by whether the last report of them still holds, and by whether they are ready.",
    ["device_type", "freshness", "ready"],
    async () =>
      (await counts()).map(({ device_type, freshness, ready, count }) => [
        { device_type: typeLabel(device_type), freshness, ready: String(ready) },
        count,
      ]),
  );
  metrics.gauge(
    "sinew_devices_failing",
    "Devices of which a condition that alarms is false, by kind and condition.",
    ["device_type", "condition"],
    async () =>
      (await counts()).flatMap(({ device_type, trouble, count }) =>
        (trouble?.split(",") ?? []).map(
          (condition): Sample => [{ device_type: typeLabel(device_type), condition }, count],
        ),
      ),
  );
}
