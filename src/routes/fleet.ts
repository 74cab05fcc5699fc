import { z } from "@hono/zod-openapi";
import type { Context } from "hono";
import { admits, READERS } from "../auth/caller.ts";
import type { Gate } from "../auth/gate.ts";
import { Change, ChangeList } from "../contract/change.ts";
import { SinewError } from "../contract/problem.ts";
import type { Conductor } from "../tiers/conductor/conductor.ts";
import type { Reader } from "../tiers/conductor/feed/follower.ts";
import { guarded } from "./access/guard.ts";
import { type App, type Env, jsonText, type Mount, problems, visitOf } from "./app.ts";
import { nodeName } from "./fleet/chosen.ts";
import { paging } from "./hardware.ts";

const CLOSING_SECONDS = 10;
const EVENTS = "text/event-stream";

const listChanges = guarded(READERS, {
  method: "get",
  path: "/changes",
  operationId: "listChanges",
  summary: "What changed after a revision, oldest first",
  description:
    "Read a list, then ask for changes since its `revision`; then again since the last one read. With `Accept: text/event-stream` the answer is a stream without end of the same: an event `epoch` first, then an event of each change, its `kind` the event's name and its revision the id; a stream has no pages. With a filter a page may be shorter than asked for, also empty, while it has a `next_page_token`; a stream says with an id alone how far it has come.",
  request: {
    query: z.strictObject({
      since: z.coerce.number().int().min(0).default(0),
      epoch: z.guid().optional().meta({ description: "The epoch that `since` is of; another one is 410" }),
      node: nodeName.optional().meta({ description: "About a node: its id, or a name that it had then" }),
      uuid: z.guid().optional().meta({ description: "About a device" }),
      kind: Change.shape.kind.optional(),
      order: z
        .enum(["asc", "desc"])
        .default("asc")
        .meta({ description: "desc: newest first, down to `since`; JSON only" }),
      ...paging,
      page_token: paging.page_token.meta({ description: "next_page_token of the page before; instead of `since`" }),
    }),
    headers: z.object({
      "last-event-id": z
        .string()
        .regex(/^\d{0,15}$/, "expected the id of an event, a revision")
        .optional()
        .meta({ description: "Of a stream that goes on: instead of `since`" }),
    }),
  },
  responses: {
    200: {
      description: "Changes",
      content: {
        "application/json": { schema: ChangeList },
        [EVENTS]: { schema: z.string().meta({ description: "Events (HTML standard, 9.2)" }) },
      },
    },
    ...problems(400, 410),
  },
});

export const changeRoutes = <A extends App>(app: A, conductor: Conductor, { gate }: Pick<Mount, "gate">) =>
  app.openapi(listChanges, async (c) => {
    const { since, ...options } = c.req.valid("query");
    if (!asksForEvents(c.req.header("accept"))) return jsonText(c, await conductor.changes(since, options));
    if (options.page_token !== undefined)
      throw new SinewError("invalid", "page_token: a stream of events has no pages");
    const { node, uuid, kind, order } = options;
    if (order === "desc") throw new SinewError("invalid", "order: a stream of events goes from the oldest on");
    const isPart = node !== undefined || uuid !== undefined || kind !== undefined;
    // An EventSource says where it was in a header, and calls the same URL again.
    const last = c.req.valid("header")["last-event-id"];
    const stream = await conductor.follow(last ? Number(last) : since, {
      epoch: options.epoch,
      filter: isPart ? { node, uuid, kind } : null,
      reader: readerOf(c, gate),
      // One that reads no more is left to the listener, which closes what has been idle.
      onClose: () => c.env?.extend?.(CLOSING_SECONDS),
    });
    const headers = { "content-type": EVENTS, "cache-control": "no-store", "x-accel-buffering": "no" };
    if (c.req.method === "HEAD") {
      // Nothing follows, so the connection may idle no longer than any other.
      await stream.cancel();
      return c.body(null, 200, headers) as never;
    }
    c.env?.extend?.(0);
    // The routes' types know the JSON of the declared schema alone.
    return c.body(stream, 200, headers) as never;
  });

/** Who follows: of strangers nobody is told apart. A token may be taken back or end; what else there is ends with its process. */
function readerOf(c: Context<Env>, gate: Gate): Reader | null {
  const { role, name, token } = c.get("caller");
  if (role === "anyone") return null;
  if (token === undefined) return { name };
  const visit = visitOf(c);
  const may = async () => {
    try {
      return admits(READERS, (await gate.identify(visit)).role);
    } catch (error) {
      if (error instanceof SinewError && ["unauthorized", "rate_limited"].includes(error.code)) return false;
      throw error;
    }
  };
  return { name, may };
}

/** Whether events are named in Accept, and not refused there (RFC 9110, 12.5.1). */
const asksForEvents = (accept: string | undefined) =>
  (accept ?? "").split(",").some((range) => {
    const [type, ...parameters] = range.split(";").map((part) => part.trim().toLowerCase());
    return type === EVENTS && !parameters.some((parameter) => /^q=0(\.0*)?$/.test(parameter));
  });
