import type { PciFunction } from "../pci/function.ts";

/** Kernel modules whose name is not their driver's: what `modprobe` wants, by what sysfs shows. */
const MODULES: Readonly<Record<string, string>> = {
  "4xxx": "qat_4xxx",
  "420xx": "qat_420xx",
  "6xxx": "qat_6xxx",
  c6xx: "qat_c62x",
  c6xxvf: "qat_c62xvf",
  c3xxx: "qat_c3xxx",
  c3xxxvf: "qat_c3xxxvf",
  dh895xcc: "qat_dh895xcc",
  dh895xccvf: "qat_dh895xccvf",
  genwqe: "genwqe_card",
};

/** These bind nothing by themselves: a person says which function they take. */
const BY_HAND = new Set(["vfio-pci", "igb_uio", "uio_pci_generic", "pci-pf-stub"]);

/** The kernel module that holds a driver. */
export function moduleOf(driver: string): string {
  return MODULES[driver] ?? driver;
}

/** What a person does to give a function a driver; `bound` is the one to take away first. */
export function bindAction(
  fn: Pick<PciFunction, "address">,
  kernelDrivers: readonly string[],
  bound: string | null,
): string {
  const free = bound ? `Unbind ${bound} from ${fn.address}, then: ` : "";
  const [first, ...others] = kernelDrivers.filter((driver) => !BY_HAND.has(driver));
  if (first) {
    const or = others.map((driver) => `, or \`modprobe ${moduleOf(driver)}\``).join("");
    return `${free}\`modprobe ${moduleOf(first)}\`${or}; install the driver if there is no such module`;
  }
  const byHand = kernelDrivers[0];
  if (byHand) return `${free}\`modprobe ${byHand}\` and bind ${fn.address} to it (driver_override in sysfs)`;
  return `${free}\`modprobe "$(cat /sys/bus/pci/devices/${fn.address}/modalias)"\`; install the vendor's kernel driver if that finds none`;
}

/** What a person does for a function to which only `driver` may bind. */
export const overrideAction = ({ address }: Pick<PciFunction, "address">, driver: string): string =>
  `\`modprobe ${moduleOf(driver)}\`; or, to let another driver bind, \`echo > /sys/bus/pci/devices/${address}/driver_override\``;
