import { z } from "zod";

/** One thing known, or known to be unknown, about a device: dated, with its reason and what a person should do. */
export const Condition = z
  .object({
    type: z.string().meta({ description: "CamelCase", examples: ["Responding", "DriverBound"] }),
    status: z.enum(["true", "false", "unknown"]),
    reason: z.string().meta({ description: "CamelCase; stable, made for programs", examples: ["NoKernelDriver"] }),
    message: z.string().meta({ description: "For people; its wording may change at any time" }),
    action: z.string().nullable().meta({ description: "What a person should do, null when there is nothing to do" }),
    since: z.iso.datetime({ offset: true }).meta({ description: "When `status` became what it is (RFC 3339)" }),
  })
  .meta({ id: "Condition" });
export type Condition = z.infer<typeof Condition>;
