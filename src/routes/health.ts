import { z } from "@hono/zod-openapi";
import { SinewError } from "../contract/problem.ts";
import { unguarded } from "./access/guard.ts";
import { type App, type Mount, problems } from "./app.ts";

const Health = z
  .object({
    status: z.literal("ok"),
    role: z.enum(["driver", "agent", "conductor"]),
    name: z.string(),
    auth: z.enum(["open", "required"]).meta({ description: "open: no credentials, on loopback and unix sockets only" }),
    insecure: z
      .boolean()
      .optional()
      .meta({ description: "true: plain HTTP off loopback, where whoever listens in reads every token" }),
  })
  .meta({ id: "Health" });
const content = { "application/json": { schema: Health } };

const healthz = unguarded({
  method: "get",
  path: "/healthz",
  operationId: "healthz",
  summary: "Whether the process answers",
  responses: { 200: { description: "It does", content } },
});
const readyz = unguarded({
  method: "get",
  path: "/readyz",
  operationId: "readyz",
  summary: "Whether the first scan is served",
  responses: { 200: { description: "It is", content }, ...problems(503) },
});

export const healthRoutes = <A extends App>(app: A, { role, name, gate, insecure, ready }: Mount) => {
  const health = { status: "ok" as const, role, name, auth: gate.mode, ...(insecure ? { insecure } : {}) };
  return app
    .openapi(healthz, (c) => c.json(health, 200))
    .openapi(readyz, (c) => {
      if (!ready()) throw new SinewError("unavailable", "the first scan is not finished");
      return c.json(health, 200);
    });
};
