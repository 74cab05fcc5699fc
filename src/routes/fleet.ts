import { z } from "@hono/zod-openapi";
import { READERS } from "../auth/caller.ts";
import { ChangeList } from "../contract/change.ts";
import { NodeList, NodeState } from "../contract/node.ts";
import type { Conductor } from "../tiers/conductor/conductor.ts";
import { guarded } from "./access/guard.ts";
import { type App, jsonText, problems } from "./app.ts";
import { paging } from "./hardware.ts";

const listNodes = guarded(READERS, {
  method: "get",
  path: "/nodes",
  operationId: "listNodes",
  summary: "The fleet's nodes and their states",
  request: { query: z.strictObject({ state: NodeState.optional(), ...paging }) },
  responses: {
    200: { description: "One page", content: { "application/json": { schema: NodeList } } },
    ...problems(400),
  },
});

const listChanges = guarded(READERS, {
  method: "get",
  path: "/changes",
  operationId: "listChanges",
  summary: "What changed after a revision, oldest first",
  description: "Read a list, then ask for changes since its `revision`; then again since the last one read.",
  request: {
    query: z.strictObject({
      since: z.coerce.number().int().min(0).default(0),
      epoch: z.guid().optional().meta({ description: "The epoch that `since` is of; another one is 410" }),
      ...paging,
      page_token: paging.page_token.meta({ description: "next_page_token of the page before; instead of `since`" }),
    }),
  },
  responses: {
    200: { description: "Changes", content: { "application/json": { schema: ChangeList } } },
    ...problems(400, 410),
  },
});

export const nodeRoutes = <A extends App>(app: A, conductor: Conductor) =>
  app.openapi(listNodes, async (c) => {
    const { limit, page_token, ...filter } = c.req.valid("query");
    return c.json(await conductor.nodes(filter, { limit, page_token }), 200);
  });

export const changeRoutes = <A extends App>(app: A, conductor: Conductor) =>
  app.openapi(listChanges, async (c) => {
    const { since, ...options } = c.req.valid("query");
    return jsonText(c, await conductor.changes(since, options));
  });
