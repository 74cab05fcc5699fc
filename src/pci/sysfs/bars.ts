import type { PciBar } from "../../contract/pci.ts";
import { hexDigit } from "./reader.ts";

/** include/linux/ioport.h */
const IO = 0x100;
const MEMORY = 0x200;
const PREFETCH = 0x2000;
const MEMORY_64 = 0x10_0000;

/** BARs of an endpoint; a bridge has 2, and its other lines are windows or empty. */
const BARS = 6;
/** A line of `resource`: start, end and flags, each `0x` and 16 digits, one blank between. */
const LINE = 57;
const HIGH = 0x1_0000_0000;

/**
 * The BARs in a `resource` attribute, whose first six lines are these:
 *
 *     0x0000004000100000 0x000000400017ffff 0x0000000000140204
 *
 * Reading stops at the first line that is none.
 */
export function readBars(bytes: Uint8Array, length: number): PciBar[] {
  const bars: PciBar[] = [];
  for (let index = 0; index < BARS; index++) {
    const at = index * LINE;
    // Most lines of most functions are empty: the last digits of the flags tell.
    const flags = at + LINE - 1 <= length ? digits(bytes, at + 48) : -1;
    if (flags < 0) break;
    if ((flags & (IO | MEMORY)) === 0) continue;
    const type = flags & IO ? "io" : flags & MEMORY_64 ? "mem64" : "mem32";
    bars.push({ index, type, prefetchable: (flags & PREFETCH) !== 0, size: size(bytes, at) });
  }
  return bars;
}

/** end - start + 1, in halves because a number is exact to 53 bits only; null for a region that isn't there. */
function size(bytes: Uint8Array, at: number): number | null {
  const high = digits(bytes, at + 21) - digits(bytes, at + 2);
  const low = digits(bytes, at + 29) - digits(bytes, at + 10);
  const size = high * HIGH + low + 1;
  return size > 1 ? size : null;
}

/** The 8 hexadecimal digits at `at`, or -1. */
function digits(bytes: Uint8Array, at: number): number {
  let value = 0;
  for (let i = at; i < at + 8; i++) {
    const digit = hexDigit(bytes[i] ?? 0);
    if (digit < 0) return -1;
    value = value * 16 + digit;
  }
  return value;
}
