import { OPERATORS, READERS } from "../../auth/caller.ts";
import { Expected, SetExpected } from "../../contract/device/expected.ts";
import type { Agent } from "../../tiers/agent/agent.ts";
import { guarded } from "../access/guard.ts";
import { type App, json, problems } from "../app.ts";
import { jsonOnly } from "../json-only.ts";

/** What is to be on a node is the node's to say: a conductor reads it, and hears of what is missing. */
const OWN = OPERATORS.filter((role) => role !== "above");

const show = guarded(READERS, {
  method: "get",
  path: "/expected",
  operationId: "getExpected",
  summary: "What hardware is to be on this node, and what of it is missing",
  responses: { 200: json(Expected, "As it stands; `origin` null: nothing is expected") },
});

const set = guarded(OWN, {
  method: "put",
  path: "/expected",
  operationId: "setExpected",
  summary: "Say what hardware is to be on this node",
  description: "In the place of all that was expected. It neither rises nor falls by itself.",
  middleware: jsonOnly,
  request: { body: { required: true, content: { "application/json": { schema: SetExpected } } } },
  responses: { 200: json(Expected, "As it stands"), ...problems(400, 413, 415, 503) },
});

const learn = guarded(OWN, {
  method: "post",
  path: "/expected/learn",
  operationId: "learnExpected",
  summary: "Expect the hardware that is here now",
  description:
    "On a node that is well, and again after a repair. What is expected rises by itself when more appears, and never falls but by this. Of a source that does not answer what was learned before stays.",
  responses: { 200: json(Expected, "As it stands"), ...problems(503) },
});

const clear = guarded(OWN, {
  method: "delete",
  path: "/expected",
  operationId: "clearExpected",
  summary: "Expect nothing",
  responses: { 204: { description: "Nothing is expected" }, ...problems(503) },
});

export const expectedRoutes = <A extends App>(app: A, { expected }: Pick<Agent, "expected">) =>
  app
    .openapi(show, (c) => c.json(expected.show(), 200))
    .openapi(set, async (c) => c.json(await expected.set(c.req.valid("json")), 200))
    .openapi(learn, async (c) => c.json(await expected.learn(), 200))
    .openapi(clear, async (c) => {
      await expected.clear();
      return c.body(null, 204);
    });
