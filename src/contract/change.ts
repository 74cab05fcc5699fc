import { z } from "zod";
import { Hardware, Source } from "./hardware.ts";
import { NodeState } from "./node.ts";

/**
 * One line of the append-only log. `state` is about a node, what it says of itself, or with `sources` those of its sources that
 * changed; the others are about one device.
 */
export const Change = z
  .object({
    revision: z.int(),
    time: z.iso.datetime({ offset: true }),
    kind: z.enum(["added", "changed", "moved", "gone", "state"]),
    node: z.object({ id: z.guid(), name: z.string() }),
    source: z
      .string()
      .nullable()
      .meta({ description: "The device's source; kind state: the one source that changed, null for none or several" }),
    uuid: z.guid().nullable(),
    state: NodeState.nullable().meta({ description: "kind state: what the node is now, whatever its sources are" }),
    sources: z.array(Source).nullable().meta({ description: "kind state: the sources that changed, as they are now" }),
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
