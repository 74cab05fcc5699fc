import type { DeviceType, Hardware } from "../contract/hardware.ts";
import type { PciFunction } from "../pci/function.ts";
import type { Ids } from "./ids.ts";

/** What a kind says of a function it claims. */
export interface Claim {
  /** Name from the id table; null when only the vendor or the class matched. */
  name: string | null;
  /** 1 for a card, 0 for a VF or a companion function (Alveo management, GPU audio). */
  num: number;
  /** Kernel drivers that make it usable on this host, best first; empty when any bound driver will do. */
  kernelDrivers: readonly string[];
}

/** One accelerator kind: which functions are of it, and what it knows about them beyond PCI. */
export interface Kind {
  /** The driver's name: `--driver NAME`, `/drivers/NAME`, `source` in Hardware. */
  name: string;
  deviceType: DeviceType;
  /**
   * Null when the function is of another kind or of none. `siblings` are the functions at the same bus and device,
   * itself included: one card can be several functions, and then only one of them counts.
   */
  claim(fn: Ids, siblings?: readonly Ids[]): Claim | null;
  attributes?(fn: PciFunction): Hardware["attributes"];
  capability?(fn: PciFunction): Record<string, unknown>;
}
