import { z } from "@hono/zod-openapi";
import { READERS } from "../auth/caller.ts";
import { beginsUuid } from "../contract/device/uuid.ts";
import { FleetHardwareList, Freshness, Hardware, HardwareList } from "../contract/hardware.ts";
import { SinewError } from "../contract/problem.ts";
import { theOne } from "../tiers/care/care.ts";
import type { Conductor } from "../tiers/conductor/conductor.ts";
import { guarded } from "./access/guard.ts";
import { type App, json, jsonText, matchesTag, problems } from "./app.ts";
import { cordoned, isTrue, label, nodeName } from "./fleet/chosen.ts";

/** A parameter that came twice, or is not known, is an error: a filter that is not applied would lie. */
const limit = z.coerce.number().int().min(1).max(1000);
export const paging = {
  limit: limit.default(100).meta({ description: "1 to 1000" }),
  page_token: z.string().min(1).max(4096).optional().meta({ description: "next_page_token of the page before" }),
};
const uuid = z.object({ uuid: z.guid() });
const conditional = z.object({ "if-none-match": z.string().optional() });
const etag = z.object({ etag: z.string().meta({ description: 'W/"<generation>"' }) });

const list = guarded(READERS, {
  method: "get",
  path: "/hardware",
  operationId: "listHardware",
  summary: "The hardware here, and which source could not say",
  request: { query: z.strictObject({ ...paging, limit: limit.optional() }), headers: conditional },
  responses: {
    200: { ...json(HardwareList, "Hardware and sources"), headers: etag },
    304: { description: "The generation in If-None-Match still holds" },
    ...problems(400, 410),
  },
});

const get = guarded(READERS, {
  method: "get",
  path: "/hardware/{uuid}",
  operationId: "getHardware",
  summary: "One device",
  request: { params: uuid },
  responses: { 200: json(Hardware, "The device"), ...problems(400, 404, 409) },
});

const listFleet = guarded(READERS, {
  method: "get",
  path: "/hardware",
  operationId: "listHardware",
  summary: "The fleet's hardware, from the database",
  request: {
    query: z.strictObject({
      node: nodeName.optional(),
      label,
      device_type: z
        .string()
        .min(1)
        .max(64)
        .optional()
        .meta({ examples: ["GPU"] }),
      vendor_id: z
        .string()
        .regex(/^[0-9a-f]{4}$/, "expected 4 lower-case hex digits")
        .optional(),
      uuid: z
        .string()
        .toLowerCase()
        .refine(beginsUuid, "expected a uuid, or 4 characters or more of its beginning")
        .optional()
        .meta({ description: "Its uuid, or 4 characters or more of its beginning", examples: ["8e45a2ea"] }),
      ready: z.enum(["true", "false"]).optional().meta({
        description: "true: FRESH and ready; false: all others, as nobody knows whether what is STALE is ready",
      }),
      freshness: Freshness.optional(),
      cordoned,
      condition: z
        .string()
        .regex(/^\w{1,64}$/, "expected the type of a condition, such as DriverBound")
        .optional()
        .meta({ description: 'The type of a condition that is "false"; a page may then be shorter than asked for' }),
      ...paging,
    }),
    headers: conditional,
  },
  responses: {
    200: { ...json(FleetHardwareList, "One page; sources that are not OK"), headers: etag },
    304: { description: "The revision in If-None-Match still holds" },
    ...problems(400),
  },
});

interface Holder {
  generation(): string;
  list(): string;
  page(limit: number, token: string | undefined): HardwareList;
  devices(uuid: string): Hardware[];
}

/** `GET /hardware` of a driver or an agent. */
export const hardwareRoutes = <A extends App>(app: A, tier: Holder) =>
  app
    .openapi(list, (c) => {
      const tag = `W/"${tier.generation()}"`;
      if (matchesTag(c, tag)) return c.body(null, 304, { etag: tag });
      const { limit, page_token } = c.req.valid("query");
      if (limit === undefined && page_token === undefined) return jsonText(c, tier.list(), { etag: tag });
      return c.json(tier.page(limit ?? 1000, page_token), 200, { etag: tag });
    })
    .openapi(get, (c) => {
      const { uuid } = c.req.valid("param");
      return c.json(theOne(tier.devices(uuid.toLowerCase()), uuid), 200);
    });

/** `GET /hardware` of a conductor. */
export const fleetRoutes = <A extends App>(app: A, conductor: Conductor) =>
  app
    .openapi(listFleet, async (c) => {
      if (c.req.header("if-none-match") !== undefined) {
        const tag = `W/"${await conductor.revision()}"`;
        if (matchesTag(c, tag)) return c.body(null, 304, { etag: tag });
      }
      const { limit, page_token, ready, cordoned, label: labels, ...filter } = c.req.valid("query");
      const { text, revision } = await conductor.hardware(
        { ...filter, labels, ...isTrue({ ready, cordoned }) },
        { limit, page_token },
      );
      return jsonText(c, text, { etag: `W/"${revision}"` });
    })
    .openapi(get, async (c) => {
      const { uuid } = c.req.valid("param");
      // Asked before the device: the tag may be older than the answer, never newer.
      const tag = `W/"${await conductor.revision()}"`;
      const text = await conductor.device(uuid);
      if (text === null) throw new SinewError("not_found", `no device ${uuid} is in the fleet`);
      return jsonText(c, text, { etag: tag });
    });
