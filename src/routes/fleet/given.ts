import { z } from "@hono/zod-openapi";
import { ADMINS } from "../../auth/caller.ts";
import { HardwarePatch, NodePatch } from "../../contract/fleet/given.ts";
import { Hardware } from "../../contract/hardware.ts";
import { Node } from "../../contract/node.ts";
import type { Conductor } from "../../tiers/conductor/conductor.ts";
import { actorOf } from "../access/actor.ts";
import { guarded } from "../access/guard.ts";
import { type App, json, jsonText, problems } from "../app.ts";
import { jsonOnly } from "../json-only.ts";
import { nodeName } from "./chosen.ts";

const node = z.object({ node: nodeName });
const device = z.object({ uuid: z.guid() });
/** RFC 7396 names a type of its own; whoever sends JSON means it. */
const patchOf = <T extends z.ZodType>(schema: T) => ({
  required: true,
  content: { "application/json": { schema }, "application/merge-patch+json": { schema } },
});

const patchNode = guarded(ADMINS, {
  method: "patch",
  path: "/nodes/{node}",
  operationId: "patchNode",
  summary: "Name a node, label it, take it out of service",
  description:
    "A merge patch (RFC 7396). What is given stays when the node says something else of itself, which `said` shows; null takes it back. Out of service nothing of it alarms.",
  middleware: jsonOnly,
  request: { params: node, body: patchOf(NodePatch) },
  responses: { 200: json(Node, "The node"), ...problems(400, 404, 409, 413, 415) },
});

const forgetNode = guarded(ADMINS, {
  method: "delete",
  path: "/nodes/{node}",
  operationId: "forgetNode",
  summary: "Forget a node that is not coming back",
  description:
    "Its devices, sources and key, what was given to it, and that it is expected. One that is still heard is 409. If it says hello once more it is a new one; one that had joined has to join again.",
  request: { params: node },
  responses: { 204: { description: "Forgotten" }, ...problems(400, 404, 409) },
});

const patchHardware = guarded(ADMINS, {
  method: "patch",
  path: "/hardware/{uuid}",
  operationId: "patchHardware",
  summary: "Take a device out of service, or back",
  description: "A merge patch (RFC 7396). `ready` goes on to say what the hardware is; nothing of it alarms.",
  middleware: jsonOnly,
  request: { params: device, body: patchOf(HardwarePatch) },
  responses: { 200: json(Hardware, "The device"), ...problems(400, 404, 409, 413, 415) },
});

const forgetHardware = guarded(ADMINS, {
  method: "delete",
  path: "/hardware/{uuid}",
  operationId: "forgetHardware",
  summary: "Forget a device that is GONE",
  request: { params: device },
  responses: { 204: { description: "Forgotten" }, ...problems(400, 404, 409) },
});

export const givenRoutes = <A extends App>(app: A, conductor: Conductor) =>
  app
    .openapi(patchNode, async (c) => {
      const { node } = c.req.valid("param");
      return c.json(await conductor.patchNode(node, c.req.valid("json"), actorOf(c)), 200);
    })
    .openapi(forgetNode, async (c) => {
      await conductor.forgetNode(c.req.valid("param").node, actorOf(c));
      return c.body(null, 204);
    })
    .openapi(patchHardware, async (c) => {
      const { uuid } = c.req.valid("param");
      return jsonText(c, await conductor.patchDevice(uuid.toLowerCase(), c.req.valid("json"), actorOf(c)));
    })
    .openapi(forgetHardware, async (c) => {
      await conductor.forgetDevice(c.req.valid("param").uuid.toLowerCase(), actorOf(c));
      return c.body(null, 204);
    });
