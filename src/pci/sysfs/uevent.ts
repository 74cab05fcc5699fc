/** What a function is, by its attributes. */
export interface PciIds {
  vendor_id: string;
  device_id: string;
  class: string;
}

/** What `uevent` and `modalias` tell in one read and the attributes in six. */
export interface Uevent extends PciIds {
  subsystem_vendor: string;
  subsystem_device: string;
  driver: string | null;
}

/**
 * pci_uevent() of drivers/pci/pci-driver.c; the class isn't padded, the driver's line is there when one is bound:
 *
 *     DRIVER=nvidia
 *     PCI_CLASS=30200
 *     PCI_ID=10DE:2331
 *     PCI_SUBSYS_ID=10DE:1626
 */
const UEVENT =
  /^PCI_CLASS=([0-9A-F]{1,6})\nPCI_ID=([0-9A-F]{4}):([0-9A-F]{4})\nPCI_SUBSYS_ID=([0-9A-F]{4}):([0-9A-F]{4})$/m;
const DRIVER = /^DRIVER=(.+)$/m;

/** `pci:v00008086d000015D6sv00001028sd000004FEbc08sc80i00` */
const MODALIAS =
  /^pci:v0000([0-9A-F]{4})d0000([0-9A-F]{4})sv0000([0-9A-F]{4})sd0000([0-9A-F]{4})bc([0-9A-F]{2})sc([0-9A-F]{2})i([0-9A-F]{2})/;

const lower = (text: string | undefined) => (text ?? "").toLowerCase();

export function parseUevent(text: string): Uevent | null {
  const match = UEVENT.exec(text);
  return match && told([match[2], match[3], match[4], match[5]], lower(match[1]).padStart(6, "0"), driverIn(text));
}

export function parseModalias(text: string): Uevent | null {
  const match = MODALIAS.exec(text);
  return match && told(match.slice(1, 5), lower(match.slice(5, 8).join("")), null);
}

export const driverIn = (uevent: string): string | null => DRIVER.exec(uevent)?.[1] ?? null;

const told = (
  [vendor, device, subVendor, subDevice]: (string | undefined)[],
  classCode: string,
  driver: string | null,
) => ({
  vendor_id: lower(vendor),
  device_id: lower(device),
  class: classCode,
  subsystem_vendor: lower(subVendor),
  subsystem_device: lower(subDevice),
  driver,
});

/** Null where the function names none: 0000 and ffff are no vendor. */
export function subsystem(vendor: string | null | undefined, device: string | null | undefined) {
  const none = !vendor || !device || vendor === "0000" || vendor === "ffff";
  return { subsystem_vendor_id: none ? null : vendor, subsystem_device_id: none ? null : device };
}
