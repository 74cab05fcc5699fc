import { z } from "zod";
import { Labels } from "./fleet/labels.ts";
import { text } from "./text.ts";

const version = z.string().regex(/^(0|[1-9]\d{0,5})\.(0|[1-9]\d{0,5})$/, "a version is MAJOR.MINOR, such as 1.0");
const name = z
  .string()
  .min(1)
  .max(253)
  .regex(/^[\w.:@/-]+$/, "letters, digits and . _ : @ / - only");

/** Registers a tier with the one above it, and renews: the same body each time. The seed's fields, then optional ones. */
export const Hello = z
  .object({
    status: z.enum(["READY", "LEAVING"]).meta({ description: "LEAVING is a clean shutdown: no alarm" }),
    endpoint: z
      .string()
      .min(1)
      .max(1024)
      .meta({
        description: "Where this tier answers; http without a scheme; `:PORT` means the address this call came from",
        examples: ["localhost:1337", "http://10.0.0.7:1337/agent", "unix:/run/sinew/driver.sock"],
      }),
    type: text(64)
      .optional()
      .meta({ description: "A driver's device type", examples: ["CRYPTO"] }),
    name: name.optional().meta({ description: "Without one a peer is known by its endpoint" }),
    node: z
      .object({
        id: z.guid(),
        name: name.optional(),
        labels: Labels.optional(),
      })
      .optional(),
    api: z.object({ min: version, max: version }).optional().meta({
      description: "What the peer speaks. Without it the peer is a seed peer: it is polled and says hello once",
    }),
    generation: text(128).optional(),
    boot_id: text(128).optional(),
    sent_at: z.iso
      .datetime({ offset: true })
      .optional()
      .meta({ description: "By the sender's own clock: a difference is shown as condition ClockInSync" }),
  })
  .meta({ id: "Hello" });
export type Hello = z.infer<typeof Hello>;

export const Registered = z
  .object({
    status: z.literal("REGISTERED"),
    uuid: z.guid(),
    api: z.string(),
    lease: z.object({ ttl_seconds: z.number().meta({ description: "Say hello again within a third of this" }) }),
  })
  .meta({ id: "Registered" });
export type Registered = z.infer<typeof Registered>;
