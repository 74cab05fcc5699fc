/** What a synthetic function's config space says; see `Device` in tree.ts for the fields. */
export interface ConfigFacts {
  vendor: number;
  device: number;
  class: number;
  revision: number;
  subsystem: { vendor: number; device: number } | null;
  /** Bus numbers make it a bridge (header type 1). */
  bus: { primary: number; secondary: number; subordinate: number } | null;
  link: { speed: number; width: number; maxSpeed: number; maxWidth: number } | null;
  /** `2b-0a-50-31-8c-38-25-00` as lspci prints it: an extended capability. */
  serial: string | null;
  sriov: { total: number; enabled: number } | null;
  virtual: boolean;
}

/** GT/s to the encoding of Link Capabilities (PCIe 6.0, 7.5.3.6). */
const SPEED_CODES: Record<number, number> = { 2.5: 1, 5: 2, 8: 3, 16: 4, 32: 5, 64: 6 };

/**
 * 4096 bytes of PCIe config space with capability lists as cards have them: power management, MSI, PCI Express, then
 * AER, the serial number and SR-IOV. libpci and lspci read it too.
 */
export function configBytes(facts: ConfigFacts): Uint8Array {
  const bytes = new Uint8Array(4096);
  const view = new DataView(bytes.buffer);
  const u8 = (at: number, value: number) => view.setUint8(at, value);
  const u16 = (at: number, value: number) => view.setUint16(at, value, true);
  const u32 = (at: number, value: number) => view.setUint32(at, value >>> 0, true);

  // A VF's own ids read all ones (PCIe 6.0, 9.3.4.1.1); the kernel knows them from its PF.
  u16(0x00, facts.virtual ? 0xffff : facts.vendor);
  u16(0x02, facts.virtual ? 0xffff : facts.device);
  u16(0x04, 0x0406);
  u16(0x06, 0x0010); // capability list
  u32(0x08, ((facts.class << 8) | facts.revision) >>> 0);
  u8(0x0e, facts.bus ? 1 : 0);
  u8(0x34, 0x40);
  if (facts.bus) {
    u8(0x18, facts.bus.primary);
    u8(0x19, facts.bus.secondary);
    u8(0x1a, facts.bus.subordinate);
  } else if (facts.subsystem) {
    u16(0x2c, facts.subsystem.vendor);
    u16(0x2e, facts.subsystem.device);
  }

  u16(0x40, 0x5001); // power management, next 0x50
  u16(0x42, 0x0003);
  u16(0x50, facts.link ? 0x6005 : 0x0005); // MSI
  if (!facts.link) return bytes;
  u16(0x60, 0x0010); // PCI Express, the last one
  u16(0x62, facts.bus ? 0x0042 : 0x0002); // version 2; root port or endpoint
  u32(0x6c, (SPEED_CODES[facts.link.maxSpeed] ?? 0) | (facts.link.maxWidth << 4));
  u16(0x72, (SPEED_CODES[facts.link.speed] ?? 0) | (facts.link.width << 4));
  u32(0x8c, ((2 << (SPEED_CODES[facts.link.maxSpeed] ?? 0)) - 2) >>> 0); // Link Capabilities 2: all speeds up to it

  const next = (offset: number) => (offset << 4) | 1;
  const serialAt = facts.serial ? 0x150 : 0;
  const sriovAt = facts.sriov ? 0x180 : 0;
  u16(0x100, 0x0001); // AER
  u16(0x102, next(serialAt || sriovAt));
  if (facts.serial) {
    u16(0x150, 0x0003); // Device Serial Number
    u16(0x152, next(sriovAt));
    const digits = facts.serial.split("-").map((part) => Number.parseInt(part, 16));
    for (const [index, byte] of digits.entries()) u8(0x154 + 7 - index, byte);
  }
  if (facts.sriov) {
    u16(0x180, 0x0010); // SR-IOV
    u16(0x182, next(0));
    u16(0x188, facts.sriov.enabled > 0 ? 1 : 0);
    u16(0x18c, facts.sriov.total); // InitialVFs
    u16(0x18e, facts.sriov.total);
    u16(0x190, facts.sriov.enabled);
    u16(0x194, 1); // First VF Offset
    u16(0x196, 1); // VF Stride
  }
  return bytes;
}
