import { z } from "zod";

/** A write, or refusals of one kind within one minute. */
export const AuditEntry = z
  .object({
    time: z.iso.datetime({ offset: true }),
    kind: z.enum(["write", "refusal"]),
    caller: z.string().meta({ description: "Who: a token by its id and name, a node by its id, this node's operator" }),
    role: z.string(),
    address: z.string().nullable().meta({ description: "From where; null: a unix socket or this process" }),
    method: z.string(),
    path: z.string(),
    status: z.int(),
    code: z.string().nullable().meta({ description: "The problem's code where it was refused" }),
    count: z.int().meta({ description: "How many there were in this minute; 1 for a write" }),
    request_id: z.string().nullable().meta({ description: "null: several" }),
  })
  .meta({ id: "AuditEntry" });
export type AuditEntry = z.infer<typeof AuditEntry>;

export const AuditList = z
  .object({ audit: z.array(AuditEntry), next_page_token: z.string().optional() })
  .meta({ id: "AuditList" });
