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
  const { names, node } = bus;
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
      return fromScan(await latest, { kinds: [kind], names, node, now: options.world.now() }).hardware;
    },
  });
  bus.onLook(async () => {
    if (bus.latest() !== shown) await driver.refresh();
  });
  return driver;
}
