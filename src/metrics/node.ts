import type { Expected } from "../contract/device/expected.ts";
import { troubleOf } from "../contract/device/trouble.ts";
import type { HardwareList } from "../contract/hardware.ts";
import type { World } from "../world.ts";
import { deviceFamilies, typeLabel } from "./devices.ts";
import { type Metrics, perScrape } from "./metrics.ts";

/** Series of single devices: a machine has some dozens, and whoever reports more shall not fill a Prometheus. */
const MOST_DEVICES = 256;

/** What an agent or a driver knows of its hardware. */
export function nodeFamilies(
  metrics: Metrics,
  { tier, world, expected }: { tier: { list(): string }; world: World; expected?: () => Expected },
): void {
  const list = perScrape(world, async () => JSON.parse(tier.list()) as HardwareList); // made by the tier itself
  deviceFamilies(metrics, async () =>
    (await list()).hardware.map((device) => ({
      device_type: device.acc_specs.device_type,
      freshness: device.freshness,
      ready: device.acc_status.ready,
      trouble: troubleOf(device),
      count: 1,
    })),
  );
  metrics.gauge(
    "sinew_device_ready",
    `Whether a device is ready; of the first ${MOST_DEVICES}.`,
    ["uuid", "address", "device_type", "source"],
    async () =>
      (await list()).hardware
        .slice(0, MOST_DEVICES)
        .map(({ uuid, pci, acc_specs, acc_status, source }) => [
          { uuid, address: pci?.address ?? "", device_type: typeLabel(acc_specs.device_type), source },
          acc_status.ready ? 1 : 0,
        ]),
  );
  metrics.gauge("sinew_source_up", "Whether a driver's last report was good.", ["source"], async () =>
    (await list()).sources.map(({ name, status }) => [{ source: name }, status === "OK" ? 1 : 0]),
  );
  if (!expected) return;
  const sum = (of: (count: Expected["counts"][number]) => number) =>
    expected().counts.reduce((total, count) => total + of(count), 0);
  metrics.gauge("sinew_expected_devices", "Devices that are to be on this node.", [], () => [
    [{}, sum(({ count }) => count)],
  ]);
  metrics.gauge("sinew_present_devices", "How many of them are here.", [], () => [
    [{}, sum(({ count, present }) => Math.min(count, present))],
  ]);
}
