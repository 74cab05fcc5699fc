import { createDriver, type DriverOptions, type DriverTier } from "../create/driver.ts";
import { fromScan } from "../drivers/discover.ts";
import { generic } from "../drivers/generic.ts";
import { kinds } from "../drivers/registry.ts";
import type { World } from "../world.ts";
import type { Bus } from "./bus.ts";

/** The built-in driver of one kind: a view of the bus, which is taken anew after each look at the bus. */
export async function builtIn(
  kind: string,
  bus: Bus,
  options: Omit<DriverOptions, "name" | "type" | "node" | "discover"> & { world: World },
): Promise<DriverTier> {
  const { names, node, health } = bus;
  const known = [...kinds, generic].find(({ name }) => name === kind);
  /** The look that is shown. */
  let shown: unknown = null;
  const driver = await createDriver({
    ...options,
    name: kind,
    type: known?.deviceType ?? generic.deviceType,
    node,
    async discover({ look }) {
      if (look) await bus.scan();
      const latest = bus.latest();
      shown = latest;
      const now = options.world.now();
      const { hardware } = fromScan(await latest, { kinds: [kind], names, node, now, health: health ?? undefined });
      // What is shown is kept first: after a kill it would otherwise be well without having recovered.
      await health?.saved();
      return hardware;
    },
  });
  bus.onLook(async () => {
    if (bus.latest() !== shown) await driver.refresh();
  });
  return driver;
}
