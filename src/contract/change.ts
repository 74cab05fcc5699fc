import { z } from "zod";
import { Hardware } from "./hardware.ts";
import { NodeState } from "./node.ts";

/**
 * One line of the append-only log. `state` is about a node, or with a `source` about one of its sources; the others are
 * about one device.
 */
export const Change = z
  .object({
    revision: z.int(),
    time: z.iso.datetime({ offset: true }),
    kind: z.enum(["added", "changed", "moved", "gone", "state"]),
    node: z.object({ id: z.guid(), name: z.string() }),
    source: z.string().nullable().meta({
      description: "The device's source; kind state: the source whose status changed, null for the node itself",
    }),
    uuid: z.guid().nullable(),
    state: NodeState.nullable().meta({ description: "kind state: what the node is now" }),
    hardware: Hardware.nullable().meta({ description: "The device as of this revision; null for kind state" }),
  })
  .meta({ id: "Change" });
export type Change = z.infer<typeof Change>;

export const ChangeList = z
  .object({
    changes: z.array(Change),
    revision: z.int().meta({ description: "The newest there is; after the last page, ask again with it as `since`" }),
    epoch: z.string().meta({ description: "Another epoch means another history: list again" }),
    next_page_token: z.string().optional(),
  })
  .meta({ id: "ChangeList" });
export type ChangeList = z.infer<typeof ChangeList>;
