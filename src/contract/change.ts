import { z } from "zod";
import { Alarm } from "./fleet/alarm.ts";
import { Cordon, GivenChange } from "./fleet/given.ts";
import { Hardware, Source } from "./hardware.ts";
import { NodeState } from "./node.ts";

/**
 * One line of the append-only log. `state` is about a node, what it says of itself, or with `sources` those of its sources that
 * changed; `alarm` about an alarm; `forgotten` about a device, or with no uuid a node, that is in no list any more; the others
 * are about one device.
 */
export const Change = z
  .object({
    revision: z.int(),
    time: z.iso.datetime({ offset: true }),
    kind: z.enum(["added", "changed", "moved", "gone", "state", "alarm", "forgotten"]),
    node: z
      .object({ id: z.guid(), name: z.string() })
      .meta({ description: "kind alarm: the node that set it off, also where the alarm is about many" }),
    source: z
      .string()
      .nullable()
      .meta({ description: "The device's source; kind state: the one source that changed, null for none or several" }),
    uuid: z.guid().nullable(),
    state: NodeState.nullable().meta({ description: "kind state: what the node is now, whatever its sources are" }),
    sources: z.array(Source).nullable().meta({ description: "kind state: the sources that changed, as they are now" }),
    hardware: Hardware.nullable().meta({ description: "The device as of this revision; null for kind state" }),
    cordoned: Cordon.nullable().optional().meta({
      description:
        "Where an operator did something about it: what the node (kind state) or the device (kind changed) is from now on. `hardware` says nothing of it",
    }),
    given: GivenChange.optional().meta({ description: "Where an operator did something about it: what, and who" }),
    alarm: Alarm.nullable().optional().meta({ description: "kind alarm: the alarm as of this revision" }),
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
