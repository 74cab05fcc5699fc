import type { Hardware } from "../../contract/hardware.ts";
import type { Node } from "../../contract/node.ts";
import { type Place, placeOf } from "./groups.ts";

/** Hardware that is to be there, and is not. */
export interface Missing extends Omit<Place, "uuid"> {
  /** The device, where it was ever seen. */
  uuid: string | null;
  name: string;
  why: string;
}

/**
 * What nodes say that they miss, and devices that are GONE from nodes that say nothing of it: one that was taken out on purpose
 * is missed by nobody.
 */
export function missingOf(devices: readonly Hardware[], nodes: readonly Node[]): Missing[] {
  const said = new Map(
    nodes.map(({ id, conditions = [] }) => [id, conditions.find(({ type }) => type === "HardwarePresent")]),
  );
  const gone = devices.filter(({ freshness, node }) => freshness === "GONE" && said.get(node.id)?.status !== "true");
  const named = new Set(gone.map(({ node }) => node.id));
  return [
    ...gone.map((device) => {
      const condition = said.get(device.node.id);
      return {
        ...placeOf(device),
        name: device.name,
        why: condition?.message ?? "it is GONE, and its node does not say that it may be",
      };
    }),
    // Never seen since this was expected: there is no device to name.
    ...nodes.flatMap(({ id, name }) => {
      const condition = said.get(id);
      if (condition?.status !== "false" || named.has(id)) return [];
      return [{ uuid: null, node: name, address: null, slot: null, name: "-", why: condition.message }];
    }),
  ].sort((a, b) => a.node.localeCompare(b.node) || (a.address ?? "").localeCompare(b.address ?? ""));
}
