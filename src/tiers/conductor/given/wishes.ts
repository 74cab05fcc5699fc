import type { HardwarePatch, NodePatch } from "../../../contract/fleet/given.ts";
import type { Node } from "../../../contract/node.ts";
import type { Fleet } from "../fleet.ts";
import { forgetDevice, forgetNode } from "./forget.ts";
import { patchDevice, patchNode } from "./patch.ts";

/** What operators do about nodes and devices. `by`: who, as others are shown it. */
export interface Wishes {
  /** Throws SinewError not_found, ambiguous_name, name_taken, busy. */
  patchNode(idOrName: string, patch: NodePatch, by: string): Promise<Node>;
  /** Its JSON. Throws SinewError not_found, ambiguous_uuid. */
  patchDevice(uuid: string, patch: HardwarePatch, by: string): Promise<string>;
  /** Throws SinewError not_found, ambiguous_name, and busy for one that is still heard. */
  forgetNode(idOrName: string, by: string): Promise<void>;
  /** Throws SinewError not_found, and busy for one that is not GONE. */
  forgetDevice(uuid: string, by: string): Promise<void>;
}

/** `check`: looks which nodes there are; `heard`: a node as this conductor knows it. */
export function createWishes(
  fleet: Pick<Fleet, "db" | "world" | "names">,
  { check, heard }: { check(): Promise<void>; heard(node: Node): Node },
): Wishes {
  return {
    async patchNode(idOrName, patch, by) {
      const node = await patchNode(fleet, idOrName, patch, by);
      await fleet.names.look();
      return heard(node);
    },
    patchDevice: (uuid, patch, by) => patchDevice(fleet, uuid, patch, by),
    async forgetNode(idOrName, by) {
      const id = await forgetNode(fleet, idOrName, by);
      fleet.names.learn(id, null);
      await check();
    },
    forgetDevice: (uuid, by) => forgetDevice(fleet, uuid, by),
  };
}
