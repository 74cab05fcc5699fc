import { z } from "@hono/zod-openapi";
import type { Audit } from "../../auth/audit.ts";
import { ADMINS } from "../../auth/caller.ts";
import { AuditList } from "../../contract/access/audit.ts";
import { type App, problems } from "../app.ts";
import { paging } from "../hardware.ts";
import { guarded } from "./guard.ts";

const list = guarded(ADMINS, {
  method: "get",
  path: "/audit",
  operationId: "listAudit",
  summary: "Who wrote what from where, and who was refused, newest first",
  request: {
    query: z.strictObject({
      ...paging,
      page_token: z
        .string()
        .regex(/^\d{1,15}$/, "expected a next_page_token")
        .optional(),
    }),
  },
  responses: {
    200: { description: "One page", content: { "application/json": { schema: AuditList } } },
    ...problems(400),
  },
});

export const auditRoutes = <A extends App>(app: A, audit: Audit) =>
  app.openapi(list, async (c) => c.json(await audit.page(c.req.valid("query")), 200));
