import { z } from "@hono/zod-openapi";
import { WantedLabel } from "../../contract/fleet/labels.ts";

/** Each is looked for in the labels of each node, while others wait. */
const MOST = 8;

/** `label=rack=7&label=gpu`: each may come again, and all must match. */
export const label = z
  .preprocess((value) => (value === undefined ? undefined : [value].flat()), z.array(WantedLabel).max(MOST).optional())
  .openapi({
    type: "array",
    items: { type: "string" },
    maxItems: MOST,
    description: "NAME=VALUE, or NAME for any value; given again, all must match",
    examples: [["rack=7"]],
  });

/** Of a path or a query. */
export const nodeName = z
  .string()
  .min(1)
  .max(253)
  .refine((text) => !text.includes("\0"), "expected text without U+0000")
  .meta({ description: "A node's id or name" });

export const cordoned = z.enum(["true", "false"]).optional().meta({ description: "Whether it is out of service" });

/** Parameters that are true or false, where they are given. */
export const isTrue = <K extends string>(asked: Record<K, "true" | "false" | undefined>): { [name in K]?: boolean } =>
  Object.fromEntries(
    Object.entries(asked).flatMap(([name, value]) => (value === undefined ? [] : [[name, value === "true"]])),
  ) as { [name in K]?: boolean }; // the same names
