import type { Hardware } from "../contract/hardware.ts";
import { wantedBy } from "../drivers/discover.ts";
import { type PciNames, pciNames } from "../pci/names.ts";
import { createScanner } from "../pci/scanner/scanner.ts";
import type { ScanResult } from "../pci/sysfs/scan.ts";
import { LoggedError } from "../tiers/driver.ts";
import type { World } from "../world.ts";

export interface BusOptions {
  /** The tree to read: the host's, or a snapshot written back. */
  sysfs: string;
  /** A pci.ids that came with a snapshot; null: the system's, if it has one. */
  pciIds: string | null;
  node: Hardware["node"];
  /** Names of the kinds whose functions are read. */
  kinds: readonly string[];
}

/** The bus of this node, as all drivers of a process share it. */
export interface Bus {
  readonly node: Hardware["node"];
  readonly names: PciNames;
  /** Looks at all of it, once for all that ask at the same time. Rejects with a LoggedError. */
  scan(): Promise<ScanResult>;
  close(): void;
}

/** Opens nothing yet: the first scan does. */
export function openBus({ sysfs, pciIds, node, kinds }: BusOptions, { log }: World): Bus {
  const scanner = createScanner({ sysfs, wanted: wantedBy({ kinds }) });
  const shared = new WeakMap<Promise<ScanResult>, Promise<ScanResult>>();
  const scan = (): Promise<ScanResult> => {
    const running = scanner.scan();
    const known = shared.get(running);
    if (known) return known;
    const logged = running.catch((cause) => {
      const message = cause instanceof Error ? cause.message : String(cause);
      log("error", "discovery failed", { drivers: kinds.join(","), error: message });
      throw new LoggedError(message, { cause });
    });
    shared.set(running, logged);
    return logged;
  };
  return { scan, close: () => scanner.close(), names: pciNames({ text: pciIds }), node };
}
