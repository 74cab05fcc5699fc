import { z } from "@hono/zod-openapi";
import { ADMINS } from "../../auth/caller.ts";
import { Join, Joined } from "../../contract/access/join.ts";
import { SinewError } from "../../contract/problem.ts";
import type { Conductor } from "../../tiers/conductor/conductor.ts";
import { type App, problems, visitorOf } from "../app.ts";
import { guarded, unguarded } from "./guard.ts";

const join = guarded(["join"], {
  method: "post",
  path: "/join",
  operationId: "join",
  summary: "Become a node of the fleet, with a join token and a key",
  description: "The same key again is 200 and costs no use of the token. Another key for a known node is 409.",
  request: { body: { required: true, content: { "application/json": { schema: Join } } } },
  responses: {
    200: { description: "It is a node", content: { "application/json": { schema: Joined } } },
    ...problems(400, 409, 413, 415),
  },
});

const link = unguarded({
  method: "get",
  path: "/link",
  operationId: "link",
  summary: "The one connection that an agent holds to its conductor",
  description:
    "A WebSocket. The first messages ask for a proof of the node's key; requests in both directions follow. What is no upgrade is 401.",
  responses: { 101: { description: "A WebSocket from here on" }, ...problems(401, 429) },
});

const rekey = guarded(ADMINS, {
  method: "post",
  path: "/nodes/{node}/rekey",
  operationId: "rekeyNode",
  summary: "Forget a node's key",
  description:
    "Its link is closed within seconds on every conductor; the next machine that joins as it sets a new key.",
  request: {
    params: z.object({
      node: z.string().min(1).max(253).meta({ description: "Its id, or its name where only one node has it" }),
    }),
  },
  responses: { 204: { description: "Forgotten" }, ...problems(400, 404) },
});

export function joinRoutes(app: App, door: Pick<Conductor, "join" | "accept" | "rekey">): void {
  app.openapi(join, async (c) => {
    return c.json(await door.join(c.req.valid("json"), visitorOf(c)), 200);
  });
  app.openapi(rekey, async (c) => {
    const { node } = c.req.valid("param");
    if (!(await door.rekey(node))) throw new SinewError("not_found", `no node, or more than one, is called ${node}`);
    return c.body(null, 204);
  });
  app.openapi(link, (c) => {
    // A WebSocket has no status of ours: the listener makes its answer.
    const upgraded = c.env?.upgrade?.((socket) => door.accept(socket));
    if (upgraded) return upgraded as never;
    throw new SinewError("unauthorized", "expected a WebSocket, whose first messages prove a node's key");
  });
}
