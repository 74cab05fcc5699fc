import { nodeFamilies } from "../metrics/node.ts";
import { NIL_UUID } from "../pci/identity.ts";
import { driverApp } from "../routes/tiers.ts";
import type { DeviceCare } from "../tiers/device.ts";
import { createDriverTier, type DriverDevice } from "../tiers/driver.ts";
import type { Tier } from "../tiers/tier.ts";

import { createAccess } from "./access.ts";
import { above, meteredWorld, mountOf, type TierOptions } from "./mount.ts";

export interface DriverOptions extends TierOptions {
  /** Names the source on its node. */
  name: string;
  /** The device type, such as `"CRYPTO"`. */
  type: string;
  /**
   * Finds the devices; `{ uuid }` is the least. A throw becomes the source's error, and last-good devices stay. Without
   * `look`, after `refresh()`, what is known already is enough.
   */
  discover(how: { look: boolean }): Promise<DriverDevice[]>;
  /** What it knows to do with its devices beside that: measure them, set them up. Default: nothing. */
  care?: DeviceCare | undefined;
  node?: { id: string; name: string };
  /** URL of the agent to say hello to. Default: none; give the driver to `createAgent` instead. */
  agent?: string | undefined;
}

/** A driver, and how the agent that holds it in process hears of changes. */
export interface DriverTier extends Tier {
  readonly role: "driver";
  readonly type: string;
  onChange(listener: () => void): void;
  /** Has it find its devices again and tell of what changed, without an operation. Resolves when that is shown. */
  refresh(): Promise<void>;
  /** Hears of each look that found all as it was. */
  onSeen(listener: () => void): void;
}

/** One kind of hardware on one node. Serves the seed's driver calls; `start()` runs the first discovery. */
export async function createDriver(options: DriverOptions): Promise<DriverTier> {
  const { name, type, discover, bootId = crypto.randomUUID() } = options;
  const { metrics, world } = meteredWorld("driver", options.world);
  const listeners: (() => void)[] = [];
  const witnesses: (() => void)[] = [];
  const driver = await createDriverTier({
    name,
    type,
    discover,
    care: options.care,
    world,
    bootId,
    node: options.node ?? { id: NIL_UUID, name: "localhost" },
    endpoint: options.endpoint ?? null,
    agent: options.agent === undefined ? undefined : above(options.agent, world, options),
    onChange: () => {
      for (const listener of listeners) listener();
    },
    onSeen: () => {
      for (const witness of witnesses) witness();
    },
  });
  const access = createAccess(options.auth, world, { roles: ["viewer", "operator", "admin"] });
  nodeFamilies(metrics, { tier: driver, world });
  const app = driverApp(driver, mountOf("driver", name, options, world, driver, access, metrics));
  return {
    role: "driver",
    name,
    type,
    fetch: (request, env) => app.fetch(request, env),
    start: driver.start,
    stop: driver.stop,
    refresh: driver.refresh,
    onChange: (listener) => listeners.push(listener),
    onSeen: (witness) => witnesses.push(witness),
  };
}
