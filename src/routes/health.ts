import { createRoute, z } from "@hono/zod-openapi";
import { SinewError } from "../contract/problem.ts";
import { type App, type Mount, problems } from "./app.ts";

const Health = z
  .object({
    status: z.literal("ok"),
    role: z.enum(["driver", "agent", "conductor"]),
    name: z.string(),
    auth: z.enum(["open"]).meta({ description: "open: no credentials, loopback and unix sockets only" }),
  })
  .meta({ id: "Health" });
const content = { "application/json": { schema: Health } };

const healthz = createRoute({
  method: "get",
  path: "/healthz",
  operationId: "healthz",
  summary: "Whether the process answers",
  responses: { 200: { description: "It does", content } },
});
const readyz = createRoute({
  method: "get",
  path: "/readyz",
  operationId: "readyz",
  summary: "Whether the first scan is served",
  responses: { 200: { description: "It is", content }, ...problems(503) },
});

export const healthRoutes = <A extends App>(app: A, { role, name, auth, ready }: Mount) =>
  app
    .openapi(healthz, (c) => c.json({ status: "ok" as const, role, name, auth }, 200))
    .openapi(readyz, (c) => {
      if (!ready()) throw new SinewError("unavailable", "the first scan is not finished");
      return c.json({ status: "ok" as const, role, name, auth }, 200);
    });
