import { z } from "@hono/zod-openapi";
import { OPERATORS, READERS } from "../auth/caller.ts";
import { DiscoveryFilter } from "../contract/fleet/discovery.ts";
import { Accepted, Operation } from "../contract/operation.ts";
import { SinewError } from "../contract/problem.ts";
import { guarded } from "./access/guard.ts";
import { type App, type Mount, preferWait, problems } from "./app.ts";

export const prefer = z.object({
  prefer: z
    .string()
    .optional()
    .meta({ description: "`wait=N`: wait up to N seconds (60 at most) for the end", examples: ["wait=10"] }),
});
const json = <T extends z.ZodType>(schema: T) => ({ "application/json": { schema } });

/** Declares the answer of a route that has started an operation. */
export const underWay = {
  description: "Under way",
  content: json(Accepted),
  headers: z.object({ location: z.string().meta({ description: "The operation" }) }),
};

const discover = guarded(OPERATORS, {
  method: "post",
  path: "/discovery",
  operationId: "discover",
  summary: "Look for hardware, here and below",
  description:
    'No body, `{}` or any JSON object. A second call joins the operation that runs. At a conductor `{"filter": {...}}` says which nodes: by `node` (id or name), `labels` and `state`.',
  request: { headers: prefer },
  responses: {
    200: { description: "Finished within the time of `Prefer: wait`", content: json(Operation) },
    202: underWay,
    ...problems(400, 404, 413),
  },
});

const getOperation = guarded(READERS, {
  method: "get",
  path: "/operations/{uuid}",
  operationId: "getOperation",
  summary: "How far an operation is",
  request: { params: z.object({ uuid: z.guid() }), headers: prefer },
  responses: { 200: { description: "As it stands", content: json(Operation) }, ...problems(400, 404) },
});

interface Discoverer {
  startDiscovery(filter: DiscoveryFilter): Operation | Promise<Operation>;
  operation(uuid: string, waitMs: number): Promise<Operation | null>;
}

/** The seed's callers send nothing, `{}` or an object, under any content type. */
function bodyOf(text: string): object {
  if (text.trim() === "") return {};
  let body: unknown;
  try {
    body = JSON.parse(text);
  } catch {
    throw new SinewError("invalid", "expected no body or a JSON object, got text that is not JSON");
  }
  if (typeof body !== "object" || body === null || Array.isArray(body)) {
    throw new SinewError("invalid", `expected no body or a JSON object, got ${JSON.stringify(body).slice(0, 40)}`);
  }
  return body;
}

/** Which of its nodes a conductor is asked about. A filter that is not understood is refused: it would be about all. */
function filterOf(body: { filter?: unknown }): DiscoveryFilter {
  if (body.filter === undefined) return {};
  const parsed = DiscoveryFilter.safeParse(body.filter);
  if (parsed.success) return parsed.data;
  const errors = parsed.error.issues.slice(0, 20).map((issue) => ({
    pointer: ["/filter", ...issue.path.map(String)].join("/"),
    detail: issue.message,
  }));
  const detail = errors.map((one) => `${one.pointer}: ${one.detail}`).join("; ");
  throw new SinewError("invalid", detail, { errors });
}

export const discoveryRoutes = <A extends App>(app: A, tier: Discoverer, { basePath, role }: Mount) =>
  app
    .openapi(discover, async (c) => {
      const body = bodyOf(await c.req.text());
      // Below a conductor there is nothing to choose from, and any object will do.
      const started = await tier.startDiscovery(role === "conductor" ? filterOf(body) : {});
      const seconds = preferWait(c);
      const operation = seconds > 0 ? await tier.operation(started.uuid, seconds * 1000) : null;
      if (operation && operation.finished_at !== null) return c.json(operation, 200);
      return c.json({ status: "IN-PROGRESS" as const, operation: started.uuid }, 202, {
        location: `${basePath}/operations/${started.uuid}`,
      });
    })
    .openapi(getOperation, async (c) => {
      const { uuid } = c.req.valid("param");
      const operation = await tier.operation(uuid.toLowerCase(), preferWait(c) * 1000);
      if (!operation) throw new SinewError("not_found", `no operation ${uuid} is known here`);
      return c.json(operation, 200);
    });
