import type { DeviceType } from "../contract/hardware.ts";
import type { PciFunction } from "../pci/function.ts";
import { aichipIds } from "./ids/aichip.ts";
import { cryptoIds } from "./ids/crypto.ts";
import { dsaIds } from "./ids/dsa.ts";
import { excludedIds } from "./ids/excluded.ts";
import { fecIds } from "./ids/fec.ts";
import { fpgaIds } from "./ids/fpga.ts";
import { gpuIds } from "./ids/gpu.ts";
import { nicIds } from "./ids/nic.ts";
import { ssdIds } from "./ids/ssd.ts";

/** The facts a function is classified by: those that any user can read, whatever is bound. */
export type Ids = Pick<PciFunction, "vendor_id" | "device_id" | "class" | "address" | "sriov"> &
  Partial<Pick<PciFunction, "pf_ids">>;

/**
 * What a function is of its card: a virtual function, the management or the user function of an Alveo, or another
 * function that is not the card itself. Most have none.
 */
export type Role = "vf" | "management" | "user" | "companion";

export type IdRow = readonly [id: string, name: string, role?: Role];

/** Rows with one source: where it is written that these ids are what they are. */
export interface IdGroup {
  source: string;
  /** Kernel drivers as sysfs names them, best first; empty where none is known for sure. */
  drivers: readonly string[];
  ids: readonly IdRow[];
}

/** What the ids alone say. */
export interface Identity {
  /** null: known, and none of ours, whatever its class says. */
  deviceType: DeviceType | null;
  /** null when only the vendor is known. */
  name: string | null;
  role: Role | null;
  drivers: readonly string[];
  source: string;
}

export const ID_TABLES: readonly (readonly [DeviceType | null, readonly IdGroup[]])[] = [
  ["GPU", gpuIds],
  ["AICHIP", aichipIds],
  ["FPGA", fpgaIds],
  ["CRYPTO", cryptoIds],
  ["DSA", dsaIds],
  ["FEC", fecIds],
  ["NIC", nicIds],
  ["SSD", ssdIds],
  [null, excludedIds],
];

interface VendorRule {
  deviceType: DeviceType;
  /** Only these base classes (two digits); without it, all but those that say what the function is. */
  only?: readonly string[];
  drivers: readonly string[];
  source: string;
}

/** Vendors that make one kind of card under more device ids than are published. */
const VENDOR_RULES: Readonly<Record<string, VendorRule>> = {
  // amdgpu binds every AMD function of class 1200: Instinct MI300 and later, and their VFs, are no display.
  "1002": { deviceType: "GPU", only: ["12"], drivers: ["amdgpu", "vfio-pci"], source: "linux amdgpu_drv.c" },
  "1ed5": { deviceType: "GPU", drivers: [], source: "pci.ids: Moore Threads" },
  "1e3e": { deviceType: "GPU", drivers: [], source: "pci.ids: Iluvatar CoreX" },
  cabc: { deviceType: "AICHIP", drivers: [], source: "pci.ids: Cambricon" },
  "1e0d": { deviceType: "AICHIP", drivers: [], source: "pci.ids: SambaNova" },
  "1172": { deviceType: "FPGA", drivers: [], source: "linux drivers/fpga/altera-cvp.c (any device id)" },
  // The design in the FPGA chooses device id and class: 1200, 0580 and 0700 have been seen.
  "10ee": { deviceType: "FPGA", drivers: [], source: "pci.ids: Xilinx" },
};

/**
 * Classes that say what a function is even where the vendor's other functions are accelerators: storage, network,
 * display, multimedia (the audio of a GPU), RAM, flash and CXL memory, bridge, and serial bus (the USB of a card).
 */
const SPEAKING_CLASS = /^(0[12346]|0c|050[012])/;

let byId: Map<string, Identity> | undefined;

/** Built at the first question, not on import: most starts of the program classify nothing. */
function table(): Map<string, Identity> {
  if (byId) return byId;
  byId = new Map();
  for (const [deviceType, groups] of ID_TABLES) {
    for (const { source, drivers, ids } of groups) {
      for (const [id, name, role] of ids) byId.set(id, { deviceType, name, role: role ?? null, drivers, source });
    }
  }
  return byId;
}

/** What the ids of a function say: the exact pair first, then the vendor. Undefined when only its class can tell. */
export function identify(fn: Pick<Ids, "vendor_id" | "device_id" | "class">): Identity | undefined {
  const known = table().get(`${fn.vendor_id}:${fn.device_id}`);
  if (known) return known;
  const rule = VENDOR_RULES[fn.vendor_id];
  if (!rule) return undefined;
  if (rule.only ? !rule.only.includes(fn.class.slice(0, 2)) : SPEAKING_CLASS.test(fn.class)) return undefined;
  return { deviceType: rule.deviceType, name: null, role: null, drivers: rule.drivers, source: rule.source };
}
