import { z } from "@hono/zod-openapi";
import { ADMINS } from "../../auth/caller.ts";
import type { Desk } from "../../auth/desk.ts";
import { MadeToken, NewToken, TokenList } from "../../contract/access/token.ts";
import { SinewError } from "../../contract/problem.ts";
import { type App, json, problems } from "../app.ts";
import { guarded } from "./guard.ts";

const make = guarded(ADMINS, {
  method: "post",
  path: "/tokens",
  operationId: "makeToken",
  summary: "Make a credential",
  description: "Its secret is in this answer and nowhere else afterwards.",
  request: { body: { required: true, content: { "application/json": { schema: NewToken } } } },
  responses: { 201: json(MadeToken, "Made"), ...problems(400, 409, 413, 415) },
});

const list = guarded(ADMINS, {
  method: "get",
  path: "/tokens",
  operationId: "listTokens",
  summary: "The credentials there are, without their secrets",
  responses: { 200: json(TokenList, "All of them"), ...problems(400) },
});

const revoke = guarded(ADMINS, {
  method: "delete",
  path: "/tokens/{id}",
  operationId: "revokeToken",
  summary: "Take a credential back",
  description: "Refused everywhere within two seconds. A node that joined with it stays: see rekeyNode.",
  request: { params: z.object({ id: z.string().min(1).max(64) }) },
  responses: { 204: { description: "It is refused from now on" }, ...problems(400, 404) },
});

export const tokenRoutes = <A extends App>(app: A, desk: Desk) =>
  app
    .openapi(make, async (c) => c.json(await desk.make(c.req.valid("json")), 201, { "cache-control": "no-store" }))
    .openapi(list, async (c) => c.json({ tokens: await desk.list() }, 200))
    .openapi(revoke, async (c) => {
      const { id } = c.req.valid("param");
      if (!(await desk.revoke(id))) throw new SinewError("not_found", `no token ${id} is here`);
      return c.body(null, 204);
    });
