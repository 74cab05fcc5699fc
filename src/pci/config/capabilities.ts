import type { PciLink } from "../../contract/pci.ts";
import type { ConfigSpace } from "./space.ts";

/** One entry of the capability list, or (with a 16-bit id) of the extended one. */
export interface Capability {
  id: number;
  offset: number;
  /** Extended capabilities carry one; 0 for the others. */
  version: number;
}

/** What a walk found. `bad` says why the list can't be trusted beyond `entries`; null when it ended as it should. */
export interface CapabilityList {
  entries: Capability[];
  bad: string | null;
  /** The list goes on where this space can't be read: normal for 64 bytes read without privileges. */
  truncated: boolean;
}

/** Capability ids: PCI Code and ID Assignment 1.11, sections 2 and 3. */
export const CAP_SSVID = 0x0d;
const CAP_EXPRESS = 0x10;
export const EXT_CAP_DSN = 0x0003;
const EXT_CAP_SRIOV = 0x0010;

const ALL_ONES = 0xffffffff;
const hex = (value: number) => `0x${value.toString(16).padStart(2, "0")}`;

/** The dword at `offset`, or null where the space ends: on a live system it is read only when it exists. */
const read = (space: ConfigSpace, offset: number): number | null =>
  offset + 4 <= space.size ? space.u32(offset) : null;

/** Walks the capability list (PCI 3.0, 6.7; PC Card 8.0 for header type 2). Never throws on garbage. */
export function capabilities(space: ConfigSpace): CapabilityList {
  const list: CapabilityList = { entries: [], bad: null, truncated: false };
  const command = read(space, 0x04);
  const header = read(space, 0x0c);
  // Status, bit 4, Capabilities List (PCI 3.0, 6.2.3); a silent function has every bit set and no list.
  if (command === null || header === null || command === ALL_ONES || (command & 0x0010_0000) === 0) return list;
  const first = read(space, ((header >>> 16) & 0x7f) === 2 ? 0x14 : 0x34);
  if (first === null) return list;

  const seen = new Set<number>();
  // The two low bits of a pointer are reserved and must be masked (PCI 3.0, 6.7).
  let offset = first & 0xfc;
  while (offset !== 0) {
    if (offset < 0x40) return { ...list, bad: `a capability pointer leads to ${hex(offset)}, inside the header` };
    if (seen.has(offset)) return { ...list, bad: `the capability list loops back to ${hex(offset)}` };
    seen.add(offset);
    const entry = read(space, offset);
    if (entry === null) return { ...list, truncated: true };
    if ((entry & 0xff) === 0xff) return { ...list, bad: `the capability at ${hex(offset)} has id 0xff` };
    list.entries.push({ id: entry & 0xff, offset, version: 0 });
    offset = (entry >>> 8) & 0xfc;
  }
  return list;
}

/**
 * Walks the extended list (PCIe 6.0, 7.6.3). Only a PCI Express function is asked: on others 0x100 can be an alias of
 * the header (seen on an RS690 host bridge). Never throws on garbage.
 */
export function extendedCapabilities(space: ConfigSpace, list = capabilities(space)): CapabilityList {
  const found: CapabilityList = { entries: [], bad: null, truncated: false };
  if (!list.entries.some(({ id }) => id === CAP_EXPRESS)) return found;

  const seen = new Set<number>();
  let offset = 0x100;
  while (offset !== 0) {
    if (offset < 0x100) return { ...found, bad: `an extended capability leads to ${hex(offset)}, below 0x100` };
    if (seen.has(offset)) return { ...found, bad: `the extended capability list loops back to ${hex(offset)}` };
    seen.add(offset);
    const entry = read(space, offset);
    // 256 bytes is the whole of a space without extended registers.
    if (entry === null) return { ...found, truncated: offset !== 0x100 };
    // All zeros at 0x100 means none (PCIe 6.0, 7.6.3); all ones there, that nobody decodes extended registers.
    if (entry === 0 || (entry === ALL_ONES && offset === 0x100)) return found;
    if (entry === ALL_ONES) return { ...found, bad: `the extended capability at ${hex(offset)} reads all ones` };
    found.entries.push({ id: entry & 0xffff, offset, version: (entry >>> 16) & 0xf });
    offset = (entry >>> 20) & 0xffc;
  }
  return found;
}

/** Link speeds in GT/s by their encoding (PCIe 6.0, 7.5.3.6). */
const SPEEDS = [null, 2.5, 5, 8, 16, 32, 64] as const;
/** Encoded as themselves (PCIe 6.0, 7.5.3.6); anything else, such as 0 for no link, is no width. */
const WIDTHS = [1, 2, 4, 8, 12, 16, 32];
/**
 * Device/Port Types with a link (PCIe 6.0, 7.5.3.2): endpoints, ports and bridges. Root complex integrated endpoints
 * (9) and event collectors (10) have none, whatever their link registers say.
 */
const TYPES_WITH_LINK = new Set([0, 1, 4, 5, 6, 7, 8]);

/** The PCI Express link of the first PCI Express capability, or null for a function without one. */
export function pcieLink(space: ConfigSpace, list = capabilities(space)): PciLink | null {
  const express = list.entries.find(({ id }) => id === CAP_EXPRESS);
  if (!express) return null;
  const registers = read(space, express.offset);
  if (registers === null || !TYPES_WITH_LINK.has((registers >>> 20) & 0xf)) return null;
  // Link Capabilities at 0c, Link Status in the upper half of 10 (PCIe 6.0, 7.5.3.6 and 7.5.3.8).
  const can = read(space, express.offset + 0x0c);
  const is = read(space, express.offset + 0x10);
  if (can === null || is === null) return null;
  const link = {
    speed_gts: speed(is >>> 16),
    width: width(is >>> 16),
    max_speed_gts: speed(can),
    max_width: width(can),
  };
  return Object.values(link).every((value) => value === null) ? null : link;
}

/** Bits 3:0 and 9:4, laid out alike in Link Capabilities and Link Status. */
const speed = (register: number) => SPEEDS[register & 0xf] ?? null;
const width = (register: number) => WIDTHS.find((lanes) => lanes === ((register >>> 4) & 0x3f)) ?? null;

/** VFs a PF can have and has now (SR-IOV: PCIe 6.0, 9.3.3), or null for a function without the capability. */
export function sriovCapability(
  space: ConfigSpace,
  list = extendedCapabilities(space),
): { total: number; enabled: number } | null {
  const sriov = list.entries.find(({ id }) => id === EXT_CAP_SRIOV);
  if (!sriov) return null;
  const control = read(space, sriov.offset + 0x08);
  const counts = read(space, sriov.offset + 0x0c);
  const num = read(space, sriov.offset + 0x10);
  if (control === null || counts === null || num === null || counts === ALL_ONES) return null;
  // NumVFs holds its last value when VF Enable (Control, bit 0) is clear: then there is no VF.
  return { total: counts >>> 16, enabled: control & 1 ? num & 0xffff : 0 };
}

/** The Device Serial Number as lspci prints it (PCIe 6.0, 7.9.3), or null; all zeros or ones is no serial. */
export function deviceSerialNumber(space: ConfigSpace, list = extendedCapabilities(space)): string | null {
  const serial = list.entries.find(({ id }) => id === EXT_CAP_DSN);
  if (!serial) return null;
  const lower = read(space, serial.offset + 4);
  const upper = read(space, serial.offset + 8);
  if (lower === null || upper === null) return null;
  const digits = upper.toString(16).padStart(8, "0") + lower.toString(16).padStart(8, "0");
  if (/^(0+|f+)$/.test(digits)) return null;
  return digits.replace(/..(?!$)/g, "$&-");
}
