import type { Measurement } from "../contract/device/telemetry.ts";
import type { Hardware } from "../contract/hardware.ts";
import { SinewError } from "../contract/problem.ts";
import { createDriver, type DriverOptions, type DriverTier } from "../create/driver.ts";
import { fromScan } from "../drivers/discover.ts";
import { generic } from "../drivers/generic.ts";
import { kinds } from "../drivers/registry.ts";
import type { NodeSetup } from "../setup/node.ts";
import type { World } from "../world.ts";
import type { Bus } from "./bus.ts";

/** An agent takes a driver that looks for a minute for one that does not answer; what is set up later shows by itself. */
const PATIENCE_MS = 30_000;

/** The built-in driver of one kind: a view of the bus, which is taken anew after each look at the bus. */
export async function builtIn(
  kind: string,
  bus: Bus,
  options: Omit<DriverOptions, "name" | "type" | "node" | "discover" | "care"> & {
    world: World;
    setup: NodeSetup | null;
  },
): Promise<DriverTier> {
  const { names, node, health } = bus;
  const known = [...kinds, generic].find(({ name }) => name === kind);
  /** The look that is shown. */
  let shown: unknown = null;
  let found: Hardware[] = [];
  /** What is written to a device shows in the next look; its failure is the bus's to tell. */
  const refresh = () => void bus.scan().catch(() => {});
  const setup = options.setup?.forDriver({ refresh });
  let first = true;

  async function find(): Promise<Hardware[]> {
    const latest = bus.latest();
    shown = latest;
    const now = options.world.now();
    const { hardware } = fromScan(await latest, { kinds: [kind], names, node, now, health: health ?? undefined });
    // What is bad is kept before it is shown: after a kill it would otherwise be well without having recovered.
    await health?.saved();
    return (await setup?.judge(hardware)) ?? hardware;
  }

  /** What the node's own rules want is done where somebody waits for it; at a start, and after a change, beside it. */
  async function setUp(waits: boolean): Promise<boolean> {
    const tried = setup?.auto().catch((error) => {
      options.world.log("error", "devices could not be set up", { driver: kind, error: String(error) });
      return false;
    });
    if (!waits || tried === undefined) return false;
    let cancel = () => {};
    const late = new Promise<boolean>((resolve) => {
      cancel = options.world.timer(PATIENCE_MS, () => resolve(true));
    });
    return Promise.race([tried, late]).finally(() => cancel());
  }

  const driver = await createDriver({
    ...options,
    name: kind,
    type: known?.deviceType ?? generic.deviceType,
    node,
    care: { setup, telemetry: (uuid) => telemetryOf(uuid, found, bus) },
    async discover({ look }) {
      if (look) await bus.scan();
      found = await find();
      const waits = look && !first;
      first = false;
      if (!(await setUp(waits))) return found;
      await bus.scan();
      found = await find();
      return found;
    },
  });
  bus.onLook(async () => {
    if (bus.latest() !== shown) await driver.refresh();
  });
  return driver;
}

async function telemetryOf(uuid: string, found: readonly Hardware[], bus: Bus): Promise<Measurement[]> {
  const address = found.find((device) => device.uuid === uuid)?.pci?.address;
  if (!address) throw new SinewError("not_found", "nothing can be measured of a device that could not be identified");
  try {
    const measured = await bus.measure(address);
    if (measured === null) throw new SinewError("not_found", `there is no ${address} on the bus any more`);
    return measured;
  } catch (error) {
    if (error instanceof SinewError) throw error;
    throw new SinewError("unavailable", error instanceof Error ? error.message : String(error));
  }
}
