import { z } from "zod";
import { Labels } from "./labels.ts";

/** What a node may be called. */
export const nodeName = z
  .string()
  .min(1)
  .max(253)
  .regex(/^[\w.:@/-]+$/, "letters, digits and . _ : @ / - only");

/** A node that is to be in the fleet; without an id it is known by its name. */
export const ExpectedNode = z
  .strictObject({
    name: nodeName,
    id: z.guid().optional(),
    labels: Labels.optional(),
  })
  .meta({ id: "ExpectedNode" });
export type ExpectedNode = z.infer<typeof ExpectedNode>;

/** The body of `PUT /nodes/expected`: the whole list. */
export const ExpectNodes = z
  .strictObject({ nodes: z.array(ExpectedNode).max(100_000) })
  .superRefine(({ nodes }, context) => {
    for (const key of ["name", "id"] as const) {
      const first = new Map<string, number>();
      for (const [index, node] of nodes.entries()) {
        const value = node[key]?.toLowerCase();
        if (value === undefined) continue;
        const before = first.get(value);
        if (before === undefined) first.set(value, index);
        else
          context.addIssue({
            code: "custom",
            path: ["nodes", index, key],
            message: `expected each ${key} once, got ${node[key]} at ${before}, too`,
            // For who shows it another way than by its index.
            params: { once: key, found: node[key], before },
          });
      }
    }
  })
  .meta({ id: "ExpectNodes" });
export type ExpectNodes = z.infer<typeof ExpectNodes>;

export const ExpectedNodes = z
  .object({
    nodes: z.array(
      ExpectedNode.extend({
        node: z.guid().nullable().meta({ description: "The node that it is; null: never seen" }),
      }).meta({ id: "ExpectedNodeSeen" }),
    ),
  })
  .meta({ id: "ExpectedNodes" });
export type ExpectedNodes = z.infer<typeof ExpectedNodes>;

/** What a new list changed, by name. */
export const ExpectedDiff = z
  .object({
    added: z.array(z.string()),
    withdrawn: z.array(z.string()),
    changed: z.array(z.string()),
    unchanged: z.int(),
  })
  .meta({ id: "ExpectedDiff" });
export type ExpectedDiff = z.infer<typeof ExpectedDiff>;
