import type { Hardware } from "../contract/hardware.ts";
import { uuidV5 } from "../pci/identity.ts";
import { generic } from "./generic.ts";
import { deriveStatus } from "./status.ts";

/** What could not be made into a device: said beside the list, so that nothing is dropped silently. */
export interface ScanProblem {
  /** null when not even an address is known. */
  address: string | null;
  /** The address, or what stands where one should: a directory's name, a line of a dump. */
  place: string;
  reason: string;
  message: string;
}

/**
 * A place on the bus where something is that could not be read at all: one entry, since it may be the very card that
 * someone misses. Its uuid follows from the place.
 */
export function toUnidentified(problem: ScanProblem, { node, now }: { node: Hardware["node"]; now: Date }): Hardware {
  const since = now.toISOString();
  const conditions = [
    {
      type: "Responding",
      status: "false" as const,
      reason: problem.reason,
      message: problem.message,
      action: "Look in dmesg for this address; scan again, with more rights if the message is about permission",
      since,
    },
  ];
  return {
    uuid: uuidV5(node.id, `unidentified ${problem.place}`),
    name: `Unidentified function ${problem.place}`,
    source: generic.name,
    node: { id: node.id, name: node.name },
    first_seen: since,
    freshness: "FRESH",
    serials: [],
    attributes: {},
    acc_specs: { remote: 0, num: 0, device_type: generic.deviceType, acc_capability: {} },
    acc_status: { ...deriveStatus(conditions), conditions },
    pci: null,
  };
}
