import type { Peer } from "../client/peer.ts";
import type { Hardware, HardwareList, Source } from "../contract/hardware.ts";
import type { Operation } from "../contract/operation.ts";
import type { PeerHardware } from "../contract/peer.ts";
import { API_RANGE } from "../contract/version.ts";
import type { World } from "../world.ts";
import { adopt, keepKnown } from "./adopt.ts";
import type { Care } from "./care/care.ts";
import { ownCare } from "./care/own.ts";
import { coalesce } from "./coalesce.ts";
import type { DeviceCare } from "./device.ts";
import { createInventory } from "./inventory.ts";
import { createLimiter } from "./limiter.ts";
import { measured } from "./operations/measured.ts";
import { createOperations } from "./operations/operations.ts";
import { createUpward } from "./upward.ts";

/** A device as a driver's author writes it: `uuid` is enough, the rest is what is known. */
export type DriverDevice = PeerHardware;

/** A failure of `discover` that is in the log already: of something that several drivers share. */
export class LoggedError extends Error {}

export interface DriverOptions {
  /** Names the source; unique on its node. */
  name: string;
  /** The device type it reports, such as `"CRYPTO"`. */
  type: string;
  /**
   * Finds the devices. A throw is reported as the source's error, and the last-good devices stay. Without `look` what is
   * known already is enough, where something is.
   */
  discover(how: { look: boolean }): Promise<DriverDevice[]>;
  /** What it knows to do with them beside that. Default: nothing. */
  care?: DeviceCare | undefined;
  world: World;
  node: Hardware["node"];
  /** Where this driver answers, as announced upward; null when it is only mounted in process. */
  endpoint: string | null;
  /** The agent to say hello to. */
  agent?: Peer | undefined;
  bootId?: string;
  /** Called when the generation changed: how an agent in the same process hears of it. */
  onChange?: () => void;
  /** Called when it looked and found all as it was. */
  onSeen?: () => void;
}

/** One kind of hardware on one node: finds its devices and says how they are. */
export interface Driver {
  readonly name: string;
  readonly type: string;
  readonly ready: boolean;
  readonly care: Care;
  generation(): string;
  list(): string;
  page(limit: number, token: string | undefined): HardwareList;
  devices(uuid: string): Hardware[];
  startDiscovery(): Operation;
  /** Takes in what is known now, without an operation; resolves when it is shown. A failure is the source's error. */
  refresh(): Promise<void>;
  operation(uuid: string, waitMs: number): Promise<Operation | null>;
  start(): Promise<void>;
  stop(): Promise<void>;
}

export async function createDriverTier(options: DriverOptions): Promise<Driver> {
  const { name, type, world, node, endpoint } = options;
  let source: Source = { name, type, endpoint, status: "NEVER", observed_at: null, count: 0, error: null };
  const inventory = await createInventory({ hardware: [], sources: [source] });
  const operations = createOperations(world);
  let ready = false;

  const upward =
    options.agent &&
    createUpward({
      peer: options.agent,
      world,
      hello: () => ({
        status: "READY",
        endpoint: endpoint ?? "",
        type,
        name,
        node,
        api: API_RANGE,
        generation: inventory.generation,
        boot_id: options.bootId,
      }),
    });

  async function replace(hardware: Hardware[]) {
    if (!(await inventory.replace({ hardware, sources: [source] }))) {
      if (source.status === "OK") options.onSeen?.();
      return;
    }
    upward?.announce();
    options.onChange?.();
  }

  // One at a time, so that an older answer never takes the place of a newer one.
  const inTurn = createLimiter(1);

  async function scan(look: boolean) {
    const now = world.now().toISOString();
    try {
      const before = new Map(inventory.hardware.map((device) => [device.uuid, device]));
      const found = (await options.discover({ look })).map((device) =>
        keepKnown(adopt({ raw: device, value: device }, { source: name, type, node, now }), before.get(device.uuid)),
      );
      source = { ...source, status: "OK", observed_at: now, count: found.length, error: null };
      await replace(found);
      return { found: found.length, status: "SUCCEEDED" as const, error: null };
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      if (!(error instanceof LoggedError)) world.log("error", "discovery failed", { driver: name, error: message });
      const status = source.observed_at === null ? "NEVER" : "STALE";
      source = { ...source, status, error: { code: "crashed", message } };
      await replace([...inventory.hardware].map((device) => ({ ...device, freshness: "STALE" as const })));
      throw error;
    } finally {
      ready = true;
    }
  }

  const devices = (uuid: string) => inventory.hardware.filter((device) => device.uuid === uuid);
  let begun = false;
  const discover = () => {
    begun = true;
    return inTurn(() => measured(world, { kind: "discovery", source: name }, () => scan(true)));
  };
  const startDiscovery = () => operations.start("discovery", async () => [{ name, endpoint, run: discover }]);

  const refresh = coalesce(async () => {
    // Said at the source and in the log by now; nobody waits for more.
    await inTurn(() => scan(false)).catch(() => {});
  });

  return {
    name,
    type,
    get ready() {
      return ready;
    },
    generation: () => inventory.generation,
    list: () => inventory.text(),
    page: (limit, token) => inventory.page(limit, token),
    devices,
    care: ownCare(options.care ?? {}, { driver: name, devices, operations, world }),
    startDiscovery,
    // Before the first discovery there is nothing to renew, and nothing to be ready with; during it, it may be too late.
    refresh: async () => (begun ? refresh(name) : undefined),
    operation: (uuid, waitMs) => operations.wait(uuid, waitMs),
    async start() {
      startDiscovery();
      await operations.idle();
      upward?.start();
    },
    async stop() {
      await upward?.leave();
      await operations.idle();
    },
  };
}
