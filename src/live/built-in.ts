import { createDriver, type DriverOptions, type DriverTier } from "../create/driver.ts";
import { fromScan } from "../drivers/discover.ts";
import { generic } from "../drivers/generic.ts";
import { kinds } from "../drivers/registry.ts";
import type { World } from "../world.ts";
import type { Bus } from "./bus.ts";

/** The built-in driver of one kind: a view of the bus. */
export function builtIn(
  kind: string,
  { scan, names, node }: Bus,
  options: Omit<DriverOptions, "name" | "type" | "node" | "discover"> & { world: World },
): Promise<DriverTier> {
  const known = [...kinds, generic].find(({ name }) => name === kind);
  return createDriver({
    ...options,
    name: kind,
    type: known?.deviceType ?? generic.deviceType,
    node,
    discover: async () => fromScan(await scan(), { kinds: [kind], names, node, now: options.world.now() }).hardware,
  });
}
