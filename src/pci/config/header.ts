import type { PciBar } from "../../contract/pci.ts";
import { CAP_SSVID, capabilities } from "./capabilities.ts";
import type { ConfigSpace } from "./space.ts";

/** The bytes of a header that every function has (PCI 3.0, 6.1). */
export const HEADER_BYTES = 64;

/** The header of a configuration space, under the contract's names. */
export interface PciHeader {
  vendor_id: string;
  device_id: string;
  /** Base class, sub-class, programming interface: 6 hex digits. */
  class: string;
  revision: string;
  /** 0 endpoint, 1 PCI-to-PCI bridge, 2 CardBus bridge; others are reserved, and read as an endpoint without BARs. */
  header_type: number;
  multifunction: boolean;
  /** Null where the function names none: 0000 and ffff are no vendor. */
  subsystem_vendor_id: string | null;
  subsystem_device_id: string | null;
  /** Sizes are null: finding one takes a write. */
  bars: PciBar[];
  bridge: { primary: number; secondary: number; subordinate: number } | null;
  /** Where the capability list starts; 0 for none. */
  capabilities_pointer: number;
}

/** Recorded bytes as a config space. */
export function bytesSpace(bytes: Uint8Array): ConfigSpace {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return {
    size: bytes.byteLength,
    u32(offset) {
      if (!Number.isInteger(offset) || offset < 0 || offset % 4 !== 0 || offset + 4 > bytes.byteLength) {
        throw new RangeError(`a config dword is at a multiple of 4 within ${bytes.byteLength} bytes, not at ${offset}`);
      }
      return view.getUint32(offset, true);
    },
  };
}

const hex = (value: number, digits: number) => value.toString(16).padStart(digits, "0");

/** Reads a header (PCI 3.0, 6.1 and 6.2). Throws RangeError when there are fewer than 64 bytes, and for nothing else. */
export function parseHeader(space: ConfigSpace): PciHeader {
  if (space.size < HEADER_BYTES) throw new RangeError(`a PCI header is ${HEADER_BYTES} bytes, got ${space.size}`);
  const ids = space.u32(0x00);
  const classRevision = space.u32(0x08);
  const header = (space.u32(0x0c) >>> 16) & 0xff;
  const type = header & 0x7f;
  const hasCapabilities = (space.u32(0x04) & 0x0010_0000) !== 0;
  const subsystem = subsystemIds(space, type);
  return {
    vendor_id: hex(ids & 0xffff, 4),
    device_id: hex(ids >>> 16, 4),
    class: hex(classRevision >>> 8, 6),
    revision: hex(classRevision & 0xff, 2),
    header_type: type,
    multifunction: (header & 0x80) !== 0,
    subsystem_vendor_id: subsystem?.vendor ?? null,
    subsystem_device_id: subsystem?.device ?? null,
    bars: bars(space, type),
    bridge: bridgeNumbers(space, type),
    capabilities_pointer: hasCapabilities ? space.u32(type === 2 ? 0x14 : 0x34) & 0xfc : 0,
  };
}

/** BARs by header type (PCI 3.0, 6.2.5; PCI-to-PCI Bridge 1.2, 3.2.5.1). CardBus bridges' are not decoded. */
const BARS_BY_TYPE = [6, 2];

function bars(space: ConfigSpace, type: number): PciBar[] {
  const count = BARS_BY_TYPE[type] ?? 0;
  const found: PciBar[] = [];
  for (let index = 0; index < count; index++) {
    const value = space.u32(0x10 + 4 * index);
    // An unimplemented BAR is hardwired to zero; all ones is a BAR left in the middle of sizing, or no answer.
    if (value === 0 || value === 0xffffffff) continue;
    if (value & 1) {
      found.push({ index, type: "io", prefetchable: false, size: null });
      continue;
    }
    const width = (value >>> 1) & 3;
    const wide = width === 2;
    // 3 is reserved, and the last BAR has no second half to be 64 bits wide with: such a register tells nothing.
    if (width !== 3 && !(wide && index === count - 1)) {
      found.push({ index, type: wide ? "mem64" : "mem32", prefetchable: (value & 8) !== 0, size: null });
    }
    if (wide) index++;
  }
  return found;
}

/** PCI-to-PCI Bridge 1.2, 3.2.5; a CardBus bridge keeps the same three numbers in the same place. */
function bridgeNumbers(space: ConfigSpace, type: number): PciHeader["bridge"] {
  if (type !== 1 && type !== 2) return null;
  const numbers = space.u32(0x18);
  return { primary: numbers & 0xff, secondary: (numbers >>> 8) & 0xff, subordinate: (numbers >>> 16) & 0xff };
}

function subsystemIds(space: ConfigSpace, type: number): { vendor: string; device: string } | null {
  const offset = subsystemOffset(space, type);
  if (offset === null || offset + 4 > space.size) return null;
  const value = space.u32(offset);
  const vendor = value & 0xffff;
  return vendor === 0 || vendor === 0xffff ? null : { vendor: hex(vendor, 4), device: hex(value >>> 16, 4) };
}

/** PCI 3.0, 6.2.4; a bridge names its subsystem in a capability (PCI-to-PCI Bridge 1.2, 3.2.5.13). */
function subsystemOffset(space: ConfigSpace, type: number): number | null {
  if (type === 0) return 0x2c;
  if (type === 2) return 0x40;
  if (type !== 1) return null;
  const capability = capabilities(space).entries.find(({ id }) => id === CAP_SSVID);
  return capability ? capability.offset + 4 : null;
}
