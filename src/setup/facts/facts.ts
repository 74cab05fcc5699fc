import type { SetupHolder } from "../../contract/device/setup.ts";

/** What of one function a setup may change, and what it is. */
export interface FunctionFacts {
  address: string;
  /** Without bus numbers, as in `Pci`: what a function is recognised by after a renumbering. */
  path: string;
  vendor_id: string;
  device_id: string;
  class: string;
  kernel_driver: string | null;
  driver_override: string | null;
  iommu_group: number | null;
  sriov: SriovFacts | null;
  /** On a VF: the address of its PF. */
  physfn: string | null;
}

export interface SriovFacts {
  total: number;
  enabled: number;
  /** sriov_drivers_autoprobe; null: this kernel has none. */
  autoprobe: "0" | "1" | null;
  /** The VFs there are, by their index; null: its link leads to nothing. */
  vfs: (string | null)[];
  /** Routing ids from the PF to its first VF, and from one to the next (PCIe 6.0, 9.3.3.9); null: not told. */
  offset: number | null;
  stride: number | null;
}

/** Somebody who uses a function, and the name of the refusal that follows from it; null: worth knowing, no more. */
export interface Holder extends SetupHolder {
  refusal: string | null;
}

/** What the host says of its IOMMU: no table at all, a table but no groups, or groups. */
export interface IommuFacts {
  /** The firmware's tables can be seen, which a container lays an empty directory over. */
  told: boolean;
  /** Which ACPI table describes it. */
  table: "DMAR" | "IVRS" | "IORT" | null;
  groups: number;
  /** The boot parameter that switched it off, when /proc/cmdline has one. */
  offBy: string | null;
  /** vfio's enable_unsafe_noiommu_mode. */
  unsafe: boolean;
  vendor: "Intel" | "AMD" | null;
}

/** Everything that a plan is made from. */
export interface Facts {
  device: FunctionFacts;
  /** The other functions of its IOMMU group, in the order of their addresses. */
  group: FunctionFacts[];
  /** Its VFs. */
  vfs: FunctionFacts[];
  /** What else is in the groups of the VFs. */
  besideVfs: FunctionFacts[];
  /** Of the device, its group and its VFs. */
  holders: Holder[];
  iommu: IommuFacts;
  /** Of the drivers asked about, those that the kernel has. */
  drivers: string[];
  /** Why this process could not write, such as "permission denied"; null: it could. */
  readOnly: string | null;
}

/** Where facts are read, and about what. */
export interface FactsQuery {
  sysfs: string;
  proc: string;
  address: string;
  /** Kernel drivers to look for. */
  drivers: string[];
  /** Whether to look for who holds what, which goes through all processes. */
  holders: boolean;
  /** IP addresses of the conductor that this node reports to. */
  conductor: string[];
  /** IP addresses that interfaces have, by their name. */
  interfaces: Record<string, string[]>;
}

/** Whether a function can be ignored when VFIO judges a group: it binds endpoints alone, bridges keep their driver. */
export const isBridge = ({ class: code }: Pick<FunctionFacts, "class">): boolean =>
  ["0604", "0607", "0609"].includes(code.slice(0, 4));

/** Drivers that VFIO tolerates in a group that it uses. */
const TOLERATED = new Set<string | null>([null, "vfio-pci", "pci-stub"]);

/** Whether VFIO would open a group with this member in it. */
export const isViable = (fn: Pick<FunctionFacts, "class" | "kernel_driver">): boolean =>
  isBridge(fn) || TOLERATED.has(fn.kernel_driver);

/** Whether VFIO would open this group, by all of its members that are known. */
export const isViableGroup = ({ device, group, vfs, besideVfs }: Facts, number: number): boolean =>
  [device, ...group, ...vfs, ...besideVfs].filter(({ iommu_group }) => iommu_group === number).every(isViable);
