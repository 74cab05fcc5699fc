import { z } from "@hono/zod-openapi";
import { READERS } from "../../auth/caller.ts";
import { ConductorList } from "../../contract/fleet/conductor.ts";
import type { Conductor } from "../../tiers/conductor/conductor.ts";
import { guarded } from "../access/guard.ts";
import { type App, problems } from "../app.ts";

const listConductors = guarded(READERS, {
  method: "get",
  path: "/conductors",
  operationId: "listConductors",
  summary: "The conductors that serve this fleet",
  request: { query: z.strictObject({}) },
  responses: {
    200: { description: "All of them", content: { "application/json": { schema: ConductorList } } },
    ...problems(400),
  },
});

export const conductorRoutes = <A extends App>(app: A, conductor: Conductor) =>
  app.openapi(listConductors, async (c) => c.json(await conductor.conductors(), 200));
