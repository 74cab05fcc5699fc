import { z } from "@hono/zod-openapi";
import { OPERATORS, READERS } from "../../auth/caller.ts";
import { NewWindow, Window, WindowList } from "../../contract/fleet/window.ts";
import { SinewError } from "../../contract/problem.ts";
import type { Alarms } from "../../tiers/conductor/alarms/alarms.ts";
import { actorOf } from "../access/actor.ts";
import { guarded } from "../access/guard.ts";
import { type App, json, problems } from "../app.ts";
import { jsonOnly } from "../json-only.ts";

const list = guarded(READERS, {
  method: "get",
  path: "/windows",
  operationId: "listWindows",
  summary: "Maintenance windows, the first to begin first",
  responses: { 200: json(WindowList, "All of them") },
});

const add = guarded(OPERATORS, {
  method: "post",
  path: "/windows",
  operationId: "addWindow",
  summary: "Tell nobody of what this matches, for a while",
  description: "Such alarms are shown as silenced. One that fires still when the window ends is told then.",
  middleware: jsonOnly,
  request: { body: { required: true, content: { "application/json": { schema: NewWindow } } } },
  responses: { 201: json(Window, "The window"), ...problems(400, 413, 415) },
});

const remove = guarded(OPERATORS, {
  method: "delete",
  path: "/windows/{id}",
  operationId: "deleteWindow",
  summary: "End a maintenance window, or take it back",
  request: { params: z.object({ id: z.guid() }) },
  responses: { 204: { description: "It silences nothing any more" }, ...problems(400, 404) },
});

export const windowRoutes = <A extends App>(app: A, alarms: Alarms) =>
  app
    .openapi(list, async (c) => c.json({ windows: await alarms.windows() }, 200))
    .openapi(add, async (c) => c.json(await alarms.addWindow(c.req.valid("json"), actorOf(c)), 201))
    .openapi(remove, async (c) => {
      const { id } = c.req.valid("param");
      if (!(await alarms.deleteWindow(id))) throw new SinewError("not_found", `no window has id ${id}`);
      return c.body(null, 204);
    });
