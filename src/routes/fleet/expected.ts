import { OPERATORS, READERS } from "../../auth/caller.ts";
import { ExpectedDiff, ExpectedNodes, ExpectNodes } from "../../contract/fleet/expected.ts";
import type { Expectation } from "../../tiers/conductor/expected/nodes.ts";
import { guarded } from "../access/guard.ts";
import { type App, json, problems } from "../app.ts";
import { jsonOnly } from "../json-only.ts";

const show = guarded(READERS, {
  method: "get",
  path: "/nodes/expected",
  operationId: "getExpectedNodes",
  summary: "Which nodes are to be in the fleet, and which of them were never seen",
  responses: { 200: json(ExpectedNodes, "As it was said") },
});

const set = guarded(OPERATORS, {
  method: "put",
  path: "/nodes/expected",
  operationId: "setExpectedNodes",
  summary: "Say which nodes are to be in the fleet",
  description:
    "The whole list, in the place of the one before. One that was never seen is a node in state EXPECTED, until a node with that id or name is; one that was seen stays what it is.",
  middleware: jsonOnly,
  request: { body: { required: true, content: { "application/json": { schema: ExpectNodes } } } },
  responses: { 200: json(ExpectedDiff, "What that changed"), ...problems(400, 413, 415) },
});

export const expectedNodeRoutes = <A extends App>(app: A, expectation: Expectation) =>
  app
    .openapi(show, async (c) => c.json({ nodes: await expectation.show() }, 200))
    .openapi(set, async (c) => c.json(await expectation.set(c.req.valid("json").nodes), 200));
