import { z } from "@hono/zod-openapi";
import { METERS } from "../auth/caller.ts";
import type { Metrics } from "../metrics/metrics.ts";
import { guarded } from "./access/guard.ts";
import type { App } from "./app.ts";

const metrics = guarded(METERS, {
  method: "get",
  path: "/metrics",
  operationId: "metrics",
  summary: "What is counted and measured, for Prometheus",
  responses: {
    200: { description: "The text format, 0.0.4", content: { "text/plain": { schema: z.string() } } },
  },
});

export const metricRoutes = <A extends App>(
  app: A,
  { metrics: of }: { metrics: Pick<Metrics, "text" | "contentType"> },
) => app.openapi(metrics, async (c) => c.body(await of.text(), 200, { "content-type": of.contentType }) as never);
