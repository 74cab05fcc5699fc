import type { Measurement } from "../contract/device/telemetry.ts";
import type { Hardware } from "../contract/hardware.ts";
import { wantedBy } from "../drivers/discover.ts";
import type { Health } from "../drivers/health/health.ts";
import { type PciNames, pciNames } from "../pci/names.ts";
import { createMeter } from "../pci/scanner/meter.ts";
import { createScanner } from "../pci/scanner/scanner.ts";
import type { ScanResult } from "../pci/sysfs/scan.ts";
import { LoggedError } from "../tiers/driver.ts";
import type { World } from "../world.ts";
import { createPace, type What } from "./pace.ts";
import { createTick } from "./tick.ts";
import { type Watch, watchBus } from "./watch.ts";

export interface BusOptions {
  /** The tree to read: the host's, or a snapshot written back. */
  sysfs: string;
  /** A pci.ids that came with a snapshot; null: the system's, if it has one. */
  pciIds: string | null;
  node: Hardware["node"];
  /** Names of the kinds whose functions are read. */
  kinds: readonly string[];
  /** Seconds from one look at everything to the next. Null: it is a recording, and is looked at when asked only. */
  healthInterval: number | null;
  /** What is known of the devices' past; null: they are shown as each look sees them. */
  health: Health | null;
}

/** The bus of this node, as all drivers of a process share it. */
export interface Bus {
  readonly node: Hardware["node"];
  readonly names: PciNames;
  readonly health: Health | null;
  /** Looks at all of it, once for all that ask at the same time. Rejects with a LoggedError. */
  scan(): Promise<ScanResult>;
  /** What the last look saw; what has not changed since the one before is the same object. Rejects as that look did. */
  latest(): Promise<ScanResult>;
  /** Looks at these functions again now: for who has changed something about them. Resolves when `latest` has it. */
  lookAt(addresses: ReadonlySet<string>): Promise<void>;
  /** What is measured of a function now, as `Meter` says. */
  measure(address: string): Promise<Measurement[] | null>;
  /** Called after each look. Nobody waits for it: one driver that takes long keeps no other from what is seen next. */
  onLook(listener: () => Promise<void>): void;
  /** From now on it is watched. Resolves at once where there is nothing to watch. */
  start(): Promise<void>;
  close(): void;
}

/** Opens nothing yet: the first scan does. */
export function openBus(options: BusOptions, world: World): Bus {
  const { sysfs, kinds, healthInterval } = options;
  // What is watched is read at any moment, and a start of the thread would come on top until it is shown.
  const scanner = createScanner({
    sysfs,
    wanted: wantedBy({ kinds }),
    ...(healthInterval === null ? {} : { idleMs: null }),
  });
  const meter = createMeter({ sysfs });
  const listeners: (() => Promise<void>)[] = [];
  const shared = new WeakMap<Promise<ScanResult>, Promise<ScanResult>>();
  let latest: Promise<ScanResult> | null = null;
  let lastFailure: string | null = null;
  let closed = false;

  /** What a look came to; a failure is logged once, however many drivers hear of it and however long it lasts. */
  async function outcome(looking: Promise<ScanResult>): Promise<ScanResult> {
    try {
      const result = await looking;
      if (lastFailure !== null) world.log("info", "the bus can be read again");
      lastFailure = null;
      return result;
    } catch (cause) {
      const message = cause instanceof Error ? cause.message : String(cause);
      if (message !== lastFailure && !closed) {
        world.log("error", "discovery failed", { drivers: kinds.join(","), error: message });
      }
      lastFailure = message;
      throw new LoggedError(message, { cause });
    }
  }

  function tell(): void {
    for (const listener of listeners) void listener().then(() => tick?.looked());
  }

  function scan(): Promise<ScanResult> {
    const looking = scanner.scan();
    const known = shared.get(looking);
    if (known) return known;
    const done = outcome(looking);
    shared.set(looking, done);
    const settle = () => {
      latest = done;
      // Whoever asked takes it in first.
      world.timer(0, tell);
    };
    done.then(settle, settle);
    return done;
  }

  async function look(what: What): Promise<void> {
    if (closed) return;
    const done = outcome(scanner.rescan(what));
    await done.catch(() => {}); // the drivers hear of it
    if (closed) return;
    latest = done;
    tell();
  }

  const pace = createPace(world, look);
  const tick =
    healthInterval === null
      ? null
      : createTick({
          world,
          everyMs: healthInterval * 1000,
          soon: () => options.health?.unsettled ?? false,
          look: () => look("all"),
        });
  let watch: Watch | null = null;

  return {
    node: options.node,
    names: pciNames({ text: options.pciIds }),
    health: options.health,
    scan,
    latest: () => latest ?? scan(),
    lookAt: look,
    measure: (address) => meter.measure(address),
    onLook: (listener) => listeners.push(listener),
    async start() {
      if (tick === null || kinds.length === 0) return;
      watch = await watchBus({ sysfs, scanner, world, touch: pace.touch });
      if (closed) watch.stop();
      else tick.start();
    },
    close() {
      closed = true;
      watch?.stop();
      pace.stop();
      tick?.stop();
      scanner.close();
      meter.close();
    },
  };
}
