import type { Expected } from "../contract/device/expected.ts";
import { troubleOf } from "../contract/device/trouble.ts";
import type { Hardware, HardwareList } from "../contract/hardware.ts";
import type { DeviceCount } from "../db/queries/fleet/counts.ts";
import type { World } from "../world.ts";
import { deviceFamilies, typeLabel } from "./devices.ts";
import { type Metrics, perScrape } from "./metrics.ts";

/** Series of single devices: a machine has some dozens, and whoever reports more shall not fill a Prometheus. */
const MOST_DEVICES = 256;

interface Pages {
  page(limit: number, token: string | undefined): HardwareList;
}

/** What an agent or a driver knows of its hardware. */
export function nodeFamilies(
  metrics: Metrics,
  { tier, world, expected }: { tier: Pages; world: World; expected?: () => Expected },
): void {
  // As it is held: the text of what hostile drivers may say of a node takes half a second to read.
  const list = perScrape(world, async () => tier.page(Number.POSITIVE_INFINITY, undefined));
  const counts = perScrape(world, async () => countsOf((await list()).hardware));
  deviceFamilies(metrics, counts);
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

/** How many there are of each sort. */
function countsOf(hardware: readonly Hardware[]): DeviceCount[] {
  const found = new Map<string, DeviceCount>();
  for (const device of hardware) {
    const { freshness, acc_specs, acc_status } = device;
    const sort = { device_type: typeLabel(acc_specs.device_type), freshness, ready: acc_status.ready };
    const trouble = troubleOf(device);
    const key = JSON.stringify([sort, trouble]);
    found.set(key, { ...sort, trouble, count: (found.get(key)?.count ?? 0) + 1 });
  }
  return [...found.values()];
}
