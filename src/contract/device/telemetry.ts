import { z } from "zod";

/** One measured value; its unit is in its name, as Prometheus does. */
export const Measurement = z
  .object({
    name: z.string().meta({ examples: ["temperature_celsius", "aer_errors_total", "link_width_lanes"] }),
    labels: z.record(z.string(), z.string()).meta({ examples: [{ severity: "correctable", kind: "RxErr" }] }),
    value: z.number(),
  })
  .meta({ id: "Measurement" });
export type Measurement = z.infer<typeof Measurement>;

/** What is measured of a device, now: neither stored nor part of the feed. */
export const Telemetry = z
  .object({ uuid: z.guid(), observed_at: z.iso.datetime({ offset: true }), measurements: z.array(Measurement) })
  .meta({ id: "Telemetry" });
export type Telemetry = z.infer<typeof Telemetry>;
