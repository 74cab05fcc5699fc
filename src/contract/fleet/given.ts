import { z } from "zod";
import { text } from "../text.ts";
import { nodeName } from "./expected.ts";
import { isPlainName, labelName, MOST_LABELS, PLAIN_NAME, withoutOwn } from "./labels.ts";

const comment = text(1024);

/** Out of service: shown as such, and no alarm. */
export const Cordon = z
  .object({ at: z.iso.datetime({ offset: true }), by: z.string(), comment: z.string().nullable() })
  .meta({ id: "Cordon" });
export type Cordon = z.infer<typeof Cordon>;

/** Of a device: its own, or its node's. */
export const DeviceCordon = Cordon.extend({ of: z.enum(["node", "device"]) }).meta({ id: "DeviceCordon" });
export type DeviceCordon = z.infer<typeof DeviceCordon>;

/** What an operator did about a node or a device: what is shown from then on, beside what was before. */
export const GivenChange = z
  .object({
    by: z.string().meta({
      description: "Who: a token by its id and name, or a user of the conductor's own machine, such as root@c1",
    }),
    name: z.object({ from: z.string(), to: z.string() }).optional(),
    labels: z
      .record(z.string(), z.object({ from: z.string().nullable(), to: z.string().nullable() }))
      .optional()
      .meta({ description: "Those that are others; null: it had, or has, none of that name" }),
    cordoned: z.object({ from: Cordon.nullable(), to: Cordon.nullable() }).optional(),
  })
  .meta({ id: "GivenChange" });
export type GivenChange = z.infer<typeof GivenChange>;

/** What a node says of itself. */
export const Said = z.object({ name: z.string(), labels: z.record(z.string(), z.string()) }).meta({ id: "Said" });
export type Said = z.infer<typeof Said>;

const cordoned = z
  .union([z.literal(true), z.strictObject({ comment: comment.nullable().optional() }), z.null()])
  .optional()
  .meta({ description: "true or with a comment: out of service; null: in service again" });
export type CordonPatch = z.infer<typeof cordoned>;

/** A merge patch (RFC 7396): null takes back what was given, and what the node says itself shows again. */
export const NodePatch = z
  .strictObject({
    name: nodeName
      .refine((name) => !/^\.{1,2}$/.test(name), "expected a name that can stand in a path, and . and .. go up in it")
      .nullable()
      .optional(),
    labels: withoutOwn(
      z
        .record(labelName, text(255).or(z.literal("")).nullable())
        .refine((labels) => Object.keys(labels).length <= MOST_LABELS, `expected at most ${MOST_LABELS} labels`)
        .superRefine((labels, context) => {
          // One that was given when that was not refused can be taken back.
          for (const [name, value] of Object.entries(labels))
            if (value !== null && !isPlainName(name))
              context.addIssue({ code: "custom", path: [name], message: PLAIN_NAME });
        })
        .meta({ maxProperties: MOST_LABELS })
        .nullable(),
    ).optional(),
    cordoned,
  })
  .meta({ id: "NodePatch" });
export type NodePatch = z.infer<typeof NodePatch>;

/** A merge patch (RFC 7396). */
export const HardwarePatch = z.strictObject({ cordoned }).meta({ id: "HardwarePatch" });
export type HardwarePatch = z.infer<typeof HardwarePatch>;
