/** What a function is, by its attributes. */
export interface PciIds {
  vendor_id: string;
  device_id: string;
  class: string;
}

/** What `uevent` and `modalias` tell in one read and the attributes in six. */
export interface Uevent {
  ids: PciIds;
  /** Null where it doesn't say; a vendor of zeros says that there is none. */
  subsystem: { vendor: string; device: string } | null;
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
  /^PCI_CLASS=([0-9a-f]{1,6})\nPCI_ID=([0-9a-f]{4}):([0-9a-f]{4})$(?:\nPCI_SUBSYS_ID=([0-9a-f]{4}):([0-9a-f]{4})$)?/im;
const DRIVER = /^DRIVER=(.+)$/m;

/** `pci:v00008086d000015D6sv00001028sd000004FEbc08sc80i00` */
const MODALIAS =
  /^pci:v0000([0-9A-F]{4})d0000([0-9A-F]{4})sv0000([0-9A-F]{4})sd0000([0-9A-F]{4})bc([0-9A-F]{2})sc([0-9A-F]{2})i([0-9A-F]{2})/;

export function parseUevent(text: string): Uevent | null {
  const match = UEVENT.exec(text);
  if (!match) return null;
  const [, classCode = "", vendor = "", device = "", subVendor, subDevice] = match;
  return {
    ids: {
      vendor_id: vendor.toLowerCase(),
      device_id: device.toLowerCase(),
      class: classCode.toLowerCase().padStart(6, "0"),
    },
    subsystem: subVendor && subDevice ? { vendor: subVendor.toLowerCase(), device: subDevice.toLowerCase() } : null,
    driver: driverIn(text),
  };
}

export function parseModalias(text: string): Uevent | null {
  const match = MODALIAS.exec(text.slice(0, 64));
  if (!match) return null;
  const [, vendor = "", device = "", subVendor = "", subDevice = "", ...classCode] = match.map((part) =>
    part.toLowerCase(),
  );
  return {
    ids: { vendor_id: vendor, device_id: device, class: classCode.join("") },
    subsystem: { vendor: subVendor, device: subDevice },
    driver: null,
  };
}

export const driverIn = (uevent: string): string | null => DRIVER.exec(uevent)?.[1] ?? null;

/** Null where the function names none: 0000 and ffff are no vendor. */
export function subsystem(vendor: string | null | undefined, device: string | null | undefined) {
  const none = !vendor || !device || vendor === "0000" || vendor === "ffff";
  return { subsystem_vendor_id: none ? null : vendor, subsystem_device_id: none ? null : device };
}
