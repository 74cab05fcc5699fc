import { z } from "zod";

/** How telling alarms goes, by whom they are told to. */
export const DeliveryList = z
  .object({
    deliveries: z.array(
      z
        .object({
          target: z.string().meta({ description: "Without the path of its URL, which may be a secret" }),
          waiting: z.int(),
          delivered: z.int().meta({ description: "By this conductor, since it began" }),
          dropped: z.int().meta({ description: "Refused, or not taken for a day" }),
          error: z.string().nullable().meta({ description: "Why the last attempt failed; null: it did not" }),
        })
        .meta({ id: "Delivery" }),
    ),
  })
  .meta({ id: "DeliveryList" });
