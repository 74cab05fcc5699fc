import { z } from "@hono/zod-openapi";
import { OPERATORS, READERS } from "../../auth/caller.ts";
import { Acknowledge, Alarm, AlarmKind, AlarmList, AlarmSeverity, AlarmState } from "../../contract/fleet/alarm.ts";
import { DeliveryList } from "../../contract/fleet/delivery.ts";
import type { Alarms } from "../../tiers/conductor/alarms/alarms.ts";
import { actorOf } from "../access/actor.ts";
import { guarded } from "../access/guard.ts";
import { type App, json, problems } from "../app.ts";
import { paging } from "../hardware.ts";
import { jsonOnly } from "../json-only.ts";

const id = z.object({ id: z.guid() });

const list = guarded(READERS, {
  method: "get",
  path: "/alarms",
  operationId: "listAlarms",
  summary: "What is wrong in the fleet, and what was: newest first",
  request: {
    query: z.strictObject({
      state: AlarmState.optional().meta({ description: "Without it all but what is pending" }),
      kind: AlarmKind.optional(),
      node: z.string().min(1).max(253).optional().meta({ description: "A node's id or name" }),
      severity: AlarmSeverity.optional(),
      acknowledged: z.enum(["true", "false"]).optional(),
      ...paging,
    }),
  },
  responses: { 200: json(AlarmList, "One page"), ...problems(400) },
});

const get = guarded(READERS, {
  method: "get",
  path: "/alarms/{id}",
  operationId: "getAlarm",
  summary: "One alarm",
  request: { params: id },
  responses: { 200: json(Alarm, "The alarm"), ...problems(400, 404) },
});

const acknowledge = guarded(OPERATORS, {
  method: "post",
  path: "/alarms/{id}/acknowledge",
  operationId: "acknowledgeAlarm",
  summary: "Say that somebody is on it",
  description: "It goes on to fire, and is shown as acknowledged until it is resolved.",
  middleware: jsonOnly,
  request: { params: id, body: { required: true, content: { "application/json": { schema: Acknowledge } } } },
  responses: { 200: json(Alarm, "The alarm"), ...problems(400, 404, 413, 415) },
});

const unacknowledge = guarded(OPERATORS, {
  method: "delete",
  path: "/alarms/{id}/acknowledge",
  operationId: "unacknowledgeAlarm",
  summary: "Take an acknowledgement back",
  request: { params: id },
  responses: { 200: json(Alarm, "The alarm"), ...problems(400, 404) },
});

const deliveries = guarded(READERS, {
  method: "get",
  path: "/deliveries",
  operationId: "listDeliveries",
  summary: "How telling alarms goes, by whom they are told to",
  responses: { 200: json(DeliveryList, "Each target of this conductor") },
});

/** What of alarms is shown, and done about them. */
export interface AlarmSource extends Alarms {
  targets(): Promise<z.infer<typeof DeliveryList>["deliveries"]>;
}

export const alarmRoutes = <A extends App>(app: A, alarms: AlarmSource) =>
  app
    .openapi(list, async (c) => {
      const { limit, page_token, acknowledged, ...filter } = c.req.valid("query");
      const chosen = acknowledged === undefined ? filter : { ...filter, acknowledged: acknowledged === "true" };
      return c.json(await alarms.list(chosen, { limit, page_token }), 200);
    })
    .openapi(get, async (c) => c.json(await alarms.get(c.req.valid("param").id), 200))
    .openapi(acknowledge, async (c) => {
      const { comment = null } = c.req.valid("json");
      return c.json(await alarms.acknowledge(c.req.valid("param").id, { by: actorOf(c), comment }), 200);
    })
    .openapi(deliveries, async (c) => c.json({ deliveries: await alarms.targets() }, 200))
    .openapi(unacknowledge, async (c) => c.json(await alarms.acknowledge(c.req.valid("param").id, null), 200));
