import type { DeviceType, Hardware } from "../contract/hardware.ts";
import type { PciFunction } from "../pci/function.ts";

/** What a kind says of a function it claims. */
export interface Claim {
  /** Name from the id table; null when only the class matched. */
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
  claim(fn: Pick<PciFunction, "vendor_id" | "device_id" | "class" | "address" | "sriov">): Claim | null;
  attributes?(fn: PciFunction): Hardware["attributes"];
  capability?(fn: PciFunction): Record<string, unknown>;
}
