import type { Cordon, DeviceCordon } from "../../../contract/fleet/given.ts";

/** Who took a device or a node out of service, and why. */
export function cordonWhy(cordoned: Cordon | DeviceCordon | null | undefined): { text: string; action: null }[] {
  if (!cordoned) return [];
  const { by, comment } = cordoned;
  const withNode = "of" in cordoned && cordoned.of === "node" ? "with its node, " : "";
  return [{ text: `Cordoned: ${withNode}by ${by}${comment ? `: ${comment}` : ""}`, action: null }];
}
