import {
  capabilities,
  deviceSerialNumber,
  extendedCapabilities,
  pcieLink,
  sriovCapability,
} from "../config/capabilities.ts";
import { HEADER_BYTES, parseHeader } from "../config/header.ts";
import type { ConfigSpace } from "../config/space.ts";
import type { SnapshotFunction } from "./snapshot.ts";

type RecordedConfig = NonNullable<SnapshotFunction["config"]>;

/**
 * The header and what decoding reads beyond it, and not one register more: devices exist that crash when others are
 * read (lspci(8), -xxx), and vendor-specific ones can hold serial numbers.
 */
export function recordConfig(space: ConfigSpace): RecordedConfig {
  const dwords: Record<string, string> = {};
  const recording: ConfigSpace = {
    size: space.size,
    u32(offset) {
      const value = space.u32(offset);
      dwords[offset.toString(16).padStart(3, "0")] = toBytes(value);
      return value;
    },
  };
  for (let offset = 0; offset + 4 <= Math.min(space.size, HEADER_BYTES); offset += 4) recording.u32(offset);
  if (space.size >= HEADER_BYTES) parseHeader(recording);
  const list = capabilities(recording);
  const extended = extendedCapabilities(recording, list);
  pcieLink(recording, list);
  sriovCapability(recording, extended);
  deviceSerialNumber(recording, extended);
  return { size: space.size, dwords };
}

/** A recorded config as a space; registers that were not recorded read as zero. */
export function recordedSpace(config: RecordedConfig): ConfigSpace {
  const values = new Map(Object.entries(config.dwords).map(([at, hex]) => [Number.parseInt(at, 16), fromBytes(hex)]));
  return {
    size: config.size,
    u32(offset) {
      if (offset < 0 || offset % 4 !== 0 || offset + 4 > config.size) {
        throw new RangeError(`a config dword is at a multiple of 4 within ${config.size} bytes, not at ${offset}`);
      }
      return values.get(offset) ?? 0;
    },
  };
}

/** The whole config as bytes, as a sysfs file has it. */
export function recordedBytes(config: RecordedConfig): Uint8Array {
  const bytes = new Uint8Array(config.size);
  const view = new DataView(bytes.buffer);
  for (const [at, hex] of Object.entries(config.dwords)) view.setUint32(Number.parseInt(at, 16), fromBytes(hex), true);
  return bytes;
}

/** Hex in the order of the bytes, as a hex dump shows them: 0x2b1a10de is `de101a2b`. */
export function toBytes(value: number): string {
  const view = new DataView(new ArrayBuffer(4));
  view.setUint32(0, value);
  return view.getUint32(0, true).toString(16).padStart(8, "0");
}

function fromBytes(hex: string): number {
  const view = new DataView(new ArrayBuffer(4));
  view.setUint32(0, Number.parseInt(hex, 16));
  return view.getUint32(0, true);
}
