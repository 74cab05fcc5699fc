import { isAddress } from "../../pci/sysfs/topology.ts";

/** What a uevent says of the bus. */
export interface BusEvent {
  address: string;
  /** The function itself came or went; otherwise something about it is different. */
  presence: boolean;
}

/** Of devices below a function: those whose coming and going shows in what is said of the function. */
const BELOW = new Set(["accel", "drm", "infiniband", "net", "nvme", "virtio"]);

const decoder = new TextDecoder("latin1");

/**
 * What the kernel's message says of a PCI function; null for what says nothing of one. The bytes are
 * `ACTION@DEVPATH` and then `KEY=VALUE`, each ended by a NUL (kobject_uevent_env, lib/kobject_uevent.c).
 */
export function busEvent(message: Uint8Array): BusEvent | null {
  const [head = "", ...pairs] = decoder.decode(message).split("\0");
  // udev's own begin with "libudev" and no action.
  if (!head.includes("@")) return null;
  const textOf = (key: string) => pairs.find((pair) => pair.startsWith(key))?.slice(key.length) ?? "";
  const subsystem = textOf("SUBSYSTEM=");
  if (subsystem !== "pci" && !BELOW.has(subsystem)) return null;
  // The function that the device is below of, not the bridges on the way to it.
  const address = textOf("DEVPATH=").split("/").findLast(isAddress);
  if (address === undefined) return null;
  const action = textOf("ACTION=");
  return { address, presence: subsystem === "pci" && (action === "add" || action === "remove") };
}
