import { z } from "@hono/zod-openapi";
import { READERS } from "../../auth/caller.ts";
import { SourceList } from "../../contract/hardware.ts";
import { Node, NodeList, NodeState } from "../../contract/node.ts";
import { OperationList, OperationStatus } from "../../contract/operation.ts";
import type { Conductor } from "../../tiers/conductor/conductor.ts";
import { guarded } from "../access/guard.ts";
import { type App, json, problems } from "../app.ts";
import { paging } from "../hardware.ts";
import { cordoned, isTrue, label, nodeName } from "./chosen.ts";

const listNodes = guarded(READERS, {
  method: "get",
  path: "/nodes",
  operationId: "listNodes",
  summary: "The fleet's nodes and their states",
  request: { query: z.strictObject({ state: NodeState.optional(), cordoned, label, ...paging }) },
  responses: { 200: json(NodeList, "One page"), ...problems(400) },
});

const getNode = guarded(READERS, {
  method: "get",
  path: "/nodes/{node}",
  operationId: "getNode",
  summary: "One node",
  description: "A node that is called `expected` is asked for by its id.",
  request: { params: z.object({ node: nodeName }) },
  responses: { 200: json(Node, "The node"), ...problems(400, 404, 409) },
});

const listSources = guarded(READERS, {
  method: "get",
  path: "/sources",
  operationId: "listSources",
  summary: "Who reports the fleet's hardware, and which of them could not",
  request: {
    query: z.strictObject({
      node: nodeName.optional(),
      status: z.enum(["OK", "STALE", "NEVER"]).optional(),
      label,
      ...paging,
    }),
  },
  responses: { 200: json(SourceList, "One page"), ...problems(400) },
});

const listOperations = guarded(READERS, {
  method: "get",
  path: "/operations",
  operationId: "listOperations",
  summary: "What was begun, newest first",
  description: "At most 100 of a page, each with 10 of its children, those first that did not succeed.",
  request: {
    query: z.strictObject({
      status: OperationStatus.optional(),
      kind: z
        .string()
        .regex(/^\w{1,64}$/, "expected a kind such as discovery")
        .optional(),
      ...paging,
    }),
  },
  responses: { 200: json(OperationList, "One page"), ...problems(400) },
});

export const nodeRoutes = <A extends App>(app: A, conductor: Conductor) =>
  app
    .openapi(listNodes, async (c) => {
      const { limit, page_token, label: labels, cordoned, ...filter } = c.req.valid("query");
      return c.json(await conductor.nodes({ ...filter, labels, ...isTrue({ cordoned }) }, { limit, page_token }), 200);
    })
    .openapi(getNode, async (c) => c.json(await conductor.node(c.req.valid("param").node), 200))
    .openapi(listSources, async (c) => {
      const { limit, page_token, label: labels, ...filter } = c.req.valid("query");
      return c.json(await conductor.sources({ ...filter, labels }, { limit, page_token }), 200);
    })
    .openapi(listOperations, async (c) => {
      const { limit, page_token, ...filter } = c.req.valid("query");
      return c.json(await conductor.operations(filter, { limit, page_token }), 200);
    });
