import type { Serial } from "../contract/hardware.ts";
import type { Pci } from "../contract/pci.ts";

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

/** One PCI function as read from sysfs, a dump or a snapshot: facts, no policy. The contract's names throughout. */
export interface PciFunction extends Omit<Pci, "vendor" | "device"> {
  /** On a VF what its PF is, which often says more than its own ids; null where that isn't known. */
  pf_ids: Pick<Pci, "vendor_id" | "device_id" | "class"> | null;
  serials: Serial[];
  response: PciResponse;
  /** False where the origin cannot say which kernel driver is bound (a hex dump). */
  driverObservable: boolean;
  problems: PciProblem[];
}
