import { z } from "zod";

export const OperationStatus = z.enum(["IN-PROGRESS", "SUCCEEDED", "PARTIAL", "FAILED"]);
export type OperationStatus = z.infer<typeof OperationStatus>;

export const OperationChild = z
  .object({
    name: z.string(),
    endpoint: z.string().nullable(),
    status: OperationStatus,
    found: z.int().nullable().meta({ description: "Devices found; null until known" }),
    error: z.string().nullable(),
  })
  .meta({ id: "OperationChild" });
export type OperationChild = z.infer<typeof OperationChild>;

export const OperationSummary = z
  .object({ total: z.int(), succeeded: z.int(), partial: z.int(), failed: z.int(), in_progress: z.int() })
  .meta({ id: "OperationSummary", description: "How many children there are, and how they stand" });
export type OperationSummary = z.infer<typeof OperationSummary>;

/** Work that outlives its request. SUCCEEDED never means "accepted"; PARTIAL means some children failed. */
export const Operation = z
  .object({
    uuid: z.guid(),
    kind: z.string().meta({ examples: ["discovery"] }),
    status: OperationStatus,
    started_at: z.iso.datetime({ offset: true }),
    finished_at: z.iso.datetime({ offset: true }).nullable(),
    children: z
      .array(OperationChild)
      .meta({ description: "At most 1,000; of more, those that did not succeed come first, and `summary` counts all" }),
    summary: OperationSummary.optional(),
  })
  .meta({ id: "Operation" });
export type Operation = z.infer<typeof Operation>;

export const Accepted = z.object({ status: z.literal("IN-PROGRESS"), operation: z.guid() }).meta({ id: "Accepted" });

export const OperationList = z
  .object({
    operations: z.array(Operation).meta({ description: "Newest first; of each at most 10 children" }),
    revision: z.int(),
    next_page_token: z.string().optional(),
  })
  .meta({ id: "OperationList" });
export type OperationList = z.infer<typeof OperationList>;
