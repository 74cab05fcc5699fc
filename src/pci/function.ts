import type { Hardware, Serial } from "../contract/hardware.ts";
import type { Pci, PciLink } from "../contract/pci.ts";

/**
 * What was wrong while one function was read. `Absent` is never a problem (a missing attribute is null); these are
 * reads that should have worked, or bytes that lie.
 */
export interface PciProblem {
  /** CamelCase, becomes a condition's reason. */
  reason:
    | "AllOnes" // config space reads all ones while sysfs still lists the function
    | "Hung" // a read did not return within its deadline
    | "Unreadable" // a read failed: EIO, EACCES...
    | "Unprivileged" // this process may see the first bytes of config space only
    | "Vanished" // ENODEV or ENOENT in mid-scan
    | "ConfigTruncated" // fewer bytes than a header has
    | "BadCapabilities" // a capability list that loops or points outside
    | "BadName"; // a directory entry that is no PCI address
  /** What was expected and found, for people. */
  message: string;
}

/**
 * How the function answered when it was asked: `responding` from a config read, `asleep` when in runtime suspend (and
 * therefore not asked), `unobservable` when nothing recorded can tell (a dump's absent config file).
 */
export type PciResponse = "responding" | "silent" | "asleep" | "unobservable";

/** One link on the way from a function up to its root port. */
export interface PciHop extends PciLink {
  /** The address of its lower end, whose link this is: the function itself, or the upstream port of a switch. */
  device: string;
  /** The address of the port above; null where none is to be seen, as in a guest that was given the card alone. */
  port: string | null;
  /** The lesser of what its two ends can; null where one of them does not tell. */
  both_speed_gts: number | null;
  both_width: number | null;
}

/** Errors that the kernel has counted for a function (PCIe 6.0, 6.2), by the kernel's word for the kind: none is 0. */
export interface AerCounters {
  correctable: Record<string, number>;
  nonfatal: Record<string, number>;
  fatal: Record<string, number>;
}

/** What the host does with the devices' accesses to memory. */
export interface IommuState {
  /** `groups`: it is at work. `off`: the firmware has one, and the kernel uses none. `absent`: the firmware shows none. */
  state: "groups" | "off" | "absent" | "untold";
  /** The firmware's table that describes it: DMAR, IVRS or IORT. */
  table: string | null;
  /** What on the kernel's command line switched it off. */
  parameter: string | null;
}

/** One PCI function as read from sysfs, a dump or a snapshot: facts, no policy. The contract's names throughout. */
export interface PciFunction extends Omit<Pci, "vendor" | "device"> {
  /** On a VF what its PF is, which often says more than its own ids; null where that isn't known. */
  pf_ids: Pick<Pci, "vendor_id" | "device_id" | "class"> | null;
  serials: Serial[];
  /** Links on its way up, its own first; none for what has no link of its own; null where it can't be told. */
  hops: PciHop[] | null;
  /** Null where the kernel keeps none for it. */
  aer: AerCounters | null;
  /** Where no kernel driver is bound: the only one that may be; null for any. */
  driver_override: string | null;
  /** Null where the origin can't show it. */
  iommu: IommuState | null;
  /** What its kernel driver and its class directories tell. */
  attributes: Hardware["attributes"];
  /** Names of the algorithms that the kernel offers by it, such as `cbc(aes)`; null for all but crypto devices. */
  algorithms: string[] | null;
  response: PciResponse;
  /** False where the origin cannot say which kernel driver is bound (a hex dump). */
  driverObservable: boolean;
  problems: PciProblem[];
}
