import { z } from "zod";

/** How notifying of alarms goes, by who is notified. */
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
