import type { Hardware } from "../../contract/hardware.ts";
import type { Child } from "./child.ts";

// All drivers of a node together: a little less than a conductor takes of one agent.
const NODE_DEVICES = 20_000;
const NODE_BYTES = 48 * 2 ** 20;

const encoder = new TextEncoder();
const bytesOf = (device: Hardware) => encoder.encode(JSON.stringify(device)).byteLength;

/** By the list, which is replaced and never changed: a driver with nothing new is not measured again. */
const sizes = new WeakMap<Hardware[], number>();
function sizeOf(devices: Hardware[]): number {
  const known = sizes.get(devices) ?? devices.reduce((sum, device) => sum + bytesOf(device), 0);
  sizes.set(devices, known);
  return known;
}

/**
 * Cuts a driver's devices to what its node has room for beside the others, and says what was exceeded, or null. What is
 * served is counted, not what was received: 1e20 is written out as 21 digits.
 */
export function cutToRoom(child: Child, all: Iterable<Child>): string | null {
  let devices = NODE_DEVICES;
  let bytes = NODE_BYTES;
  for (const other of all) {
    if (other === child) continue;
    devices -= other.devices.length;
    bytes -= sizeOf(other.devices);
  }
  if (child.devices.length > devices) {
    child.devices = child.devices.slice(0, Math.max(0, devices));
    return `expected at most ${NODE_DEVICES} devices on one node, got more`;
  }
  if (sizeOf(child.devices) <= bytes) return null;
  child.devices = child.devices.filter((device) => {
    bytes -= bytesOf(device);
    return bytes >= 0;
  });
  return `expected at most ${NODE_BYTES} bytes of devices on one node, got more`;
}
