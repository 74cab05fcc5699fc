import { z } from "@hono/zod-openapi";
import type { Context } from "hono";
import { type CallerRole, IN_PROCESS, OPERATORS, READERS } from "../../auth/caller.ts";
import { HistoryList, SetupPlanned, SetupRequest } from "../../contract/device/setup.ts";
import { Telemetry } from "../../contract/device/telemetry.ts";
import { Operation } from "../../contract/operation.ts";
import { ASKER_HEADER } from "../../contract/version.ts";
import type { Asker, Care } from "../../tiers/care/care.ts";
import { namedActor } from "../access/actor.ts";
import { guarded } from "../access/guard.ts";
import { type App, type Env, json, type Mount, preferWait, problems } from "../app.ts";
import { prefer, underWay } from "../discovery.ts";
import { jsonOnly } from "../json-only.ts";

/** Longer than a tier waits for the one below it. */
const ANSWER_SECONDS = 30;

const device = z.object({ uuid: z.guid() });

const getTelemetry = guarded(READERS, {
  method: "get",
  path: "/hardware/{uuid}/telemetry",
  operationId: "getTelemetry",
  summary: "What is measured of a device, now",
  description: "Asked of the driver at each call; nothing of it is stored, and a device that sleeps is not woken.",
  request: { params: device },
  responses: { 200: json(Telemetry, "Measured now"), ...problems(400, 404, 409, 502, 503, 504) },
});

const getHistory = guarded(READERS, {
  method: "get",
  path: "/hardware/{uuid}/history",
  operationId: "getHistory",
  summary: "Every write that setting up a device tried, newest first",
  request: { params: device },
  responses: { 200: json(HistoryList, "The writes"), ...problems(400, 404, 409, 502, 503, 504) },
});

const setUp = (roles: readonly CallerRole[]) =>
  guarded(roles, {
    method: "post",
    path: "/hardware/{uuid}/setup",
    operationId: "setUp",
    summary: "Make a device as the node's configuration wants it, or show what that takes",
    description:
      "`{}` does it; `dry_run` answers the plan, which says what speaks against it, and writes nothing. A second call for the same joins the operation that runs. A refusal has the name and reason of each thing in its way in `errors`.",
    middleware: jsonOnly,
    request: {
      params: device,
      headers: prefer,
      body: { required: true, content: { "application/json": { schema: SetupRequest } } },
    },
    responses: {
      200: json(z.union([SetupPlanned, Operation]), "The plan; or finished within the time of `Prefer: wait`"),
      202: underWay,
      ...problems(400, 404, 409, 413, 415, 502, 503, 504),
    },
  });

interface Caring {
  care: Care;
  operation(uuid: string, waitMs: number): Promise<Operation | null>;
}

/** Who the history names. What a tier above says of who asked there is believed of the conductor and of this process. */
function askerOf(c: Context<Env>): Asker {
  const caller = c.get("caller");
  const name = namedActor(c);
  const above = caller.role === "above" || (caller !== IN_PROCESS && c.req.header(ASKER_HEADER) === "conductor");
  if (name === null || !(above || caller.local)) return { actor: caller.name, above };
  return { actor: above ? `${name}, through the conductor` : name, above };
}

/** What is done with one device, at every tier. */
export const careRoutes = <A extends App>(
  app: A,
  { care, operation }: Caring,
  { basePath, role }: Pick<Mount, "basePath" | "role">,
) =>
  app
    .openapi(getTelemetry, async (c) => {
      c.env?.extend?.(ANSWER_SECONDS);
      return c.json(await care.telemetry(c.req.valid("param").uuid.toLowerCase()), 200);
    })
    .openapi(getHistory, async (c) => {
      c.env?.extend?.(ANSWER_SECONDS);
      return c.json(await care.history(c.req.valid("param").uuid.toLowerCase()), 200);
    })
    // Over a link a conductor reaches an agent's drivers, too: they are the agent's to ask, who knows what is allowed.
    .openapi(setUp(role === "driver" ? OPERATORS.filter((one) => one !== "above") : OPERATORS), async (c) => {
      const uuid = c.req.valid("param").uuid.toLowerCase();
      const request = c.req.valid("json");
      const seconds = preferWait(c);
      c.env?.extend?.(seconds + ANSWER_SECONDS);
      if (request.dry_run) return c.json(await care.plan(uuid, request, askerOf(c)), 200);
      const started = await care.setup(uuid, request, askerOf(c));
      const ended = seconds > 0 ? await operation(started.uuid, seconds * 1000) : null;
      if (ended && ended.finished_at !== null) return c.json(ended, 200);
      return c.json({ status: "IN-PROGRESS" as const, operation: started.uuid }, 202, {
        location: `${basePath}/operations/${started.uuid}`,
      });
    });
