import type { MiddlewareHandler } from "hono";
import type { CallerRole, Visitor } from "../auth/caller.ts";
import { Hello, Registered } from "../contract/hello.ts";
import { SinewError } from "../contract/problem.ts";
import { guarded } from "./access/guard.ts";
import { type App, type Env, problems, visitorOf } from "./app.ts";

/** A body without a content type is taken for JSON, as the seed's implementers send it; another type is refused. */
const jsonOnly: MiddlewareHandler<Env> = async (c, next) => {
  const type = c.req.header("content-type");
  if (type === undefined) {
    const headers = new Headers(c.req.raw.headers);
    headers.set("content-type", "application/json");
    c.req.raw = new Request(c.req.raw, { headers });
  } else if (!/^application\/([\w.-]+\+)?json\s*(;|$)/i.test(type)) {
    throw new SinewError("unsupported_media_type", `content-type: expected application/json, got ${type}`);
  }
  await next();
};

const hello = (roles: readonly CallerRole[]) =>
  guarded(roles, {
    method: "post",
    path: "/hello",
    operationId: "hello",
    summary: "Register with this tier, or renew",
    description:
      "The same body each time. A peer that sends `api` renews within a third of the lease; one that does not is polled.",
    middleware: jsonOnly,
    request: { body: { required: true, content: { "application/json": { schema: Hello } } } },
    responses: {
      200: { description: "Registered, or renewed", content: { "application/json": { schema: Registered } } },
      ...problems(400, 409, 413, 415),
    },
  });

/** Who says hello, and from where. */
interface Greeter {
  hello(hello: Hello, from: Visitor): Promise<Registered>;
}

/** `roles`: those of the tier below. */
export const helloRoutes = <A extends App>(app: A, tier: Greeter, roles: readonly CallerRole[]) =>
  app.openapi(hello(roles), async (c) => {
    return c.json(await tier.hello(c.req.valid("json"), visitorOf(c)), 200);
  });
