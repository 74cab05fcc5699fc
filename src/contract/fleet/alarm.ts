import { z } from "zod";
import { text } from "../text.ts";

const time = z.iso.datetime({ offset: true });
const NodeName = z.object({ id: z.guid(), name: z.string() });

export const AlarmKind = z
  .enum([
    "agent.lost",
    "agent.never_seen",
    "agent.conflict",
    "agent.incompatible",
    "source.failed",
    "hardware.missing",
    "hardware.unhealthy",
  ])
  .meta({ id: "AlarmKind" });
export type AlarmKind = z.infer<typeof AlarmKind>;

export const AlarmState = z
  .enum(["pending", "firing", "resolved"])
  .meta({ id: "AlarmState", description: "pending: the trouble is there, and not for long enough yet" });
export type AlarmState = z.infer<typeof AlarmState>;

export const AlarmSeverity = z.enum(["warning", "critical"]).meta({ id: "AlarmSeverity" });
export type AlarmSeverity = z.infer<typeof AlarmSeverity>;

/** A trouble that lasts, from when it was first seen until it is over. */
export const Alarm = z
  .object({
    id: z.guid().meta({ description: "This one time" }),
    fingerprint: z.string().meta({ description: "The same each time this trouble comes, and when it is resolved" }),
    kind: AlarmKind,
    state: AlarmState,
    severity: AlarmSeverity,
    node: NodeName.nullable().meta({ description: "null: many, see `members`" }),
    source: z.string().nullable(),
    uuid: z.guid().nullable().meta({ description: "The one device" }),
    since: time.meta({ description: "When the trouble was first seen" }),
    fired_at: time.nullable(),
    resolved_at: time.nullable(),
    reason: z.string().meta({ description: "CamelCase; stable, made for programs" }),
    message: z.string().meta({ description: "For people; its wording may change at any time" }),
    action: z.string().nullable(),
    devices: z
      .object({ total: z.int(), uuids: z.array(z.guid()) })
      .meta({ description: "Those it concerns; the first 100 by name" }),
    members: z
      .object({ total: z.int(), nodes: z.array(NodeName) })
      .nullable()
      .meta({ description: "Nodes of an outage that is one alarm; the first 100 by name" }),
    acknowledged: z
      .object({ at: time, by: z.string(), comment: z.string().nullable() })
      .nullable()
      .meta({ description: "Ends when the alarm is resolved" }),
    silenced_by: z.guid().nullable().meta({ description: "The maintenance window in which nobody is told" }),
    revision: z.int(),
  })
  .meta({ id: "Alarm" });
export type Alarm = z.infer<typeof Alarm>;

export const AlarmList = z
  .object({ alarms: z.array(Alarm), revision: z.int(), next_page_token: z.string().optional() })
  .meta({ id: "AlarmList" });
export type AlarmList = z.infer<typeof AlarmList>;

export const Acknowledge = z.strictObject({ comment: text(1024).optional() }).meta({ id: "Acknowledge" });
export type Acknowledge = z.infer<typeof Acknowledge>;
