import type { Caller, CallerRole, Visitor } from "../auth/caller.ts";
import { Hello, Registered } from "../contract/hello.ts";
import type { Again, Repeat } from "../tiers/tier.ts";
import { guarded } from "./access/guard.ts";
import { type App, type Mount, problems, visitorOf } from "./app.ts";
import { jsonOnly } from "./json-only.ts";

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
  hello(hello: Hello, from: Visitor, repeat: Repeat): Promise<Registered>;
}

/** `roles`: those of the tier below. */
export const helloRoutes = <A extends App>(app: A, tier: Greeter, { gate }: Mount, roles: readonly CallerRole[]) =>
  app.openapi(hello(roles), async (c) => {
    const visitor = visitorOf(c);
    return c.json(await tier.hello(c.req.valid("json"), visitor, counted(c.env?.repeat, gate, visitor.caller)), 200);
  });

const counted =
  (repeat: Repeat | undefined, gate: Mount["gate"], caller: Caller): Repeat =>
  (who, again) =>
    repeat?.(who, countedAgain(again, gate, caller));

/** Whoever says it again is counted all the same. Not made within the others: what is kept would keep all that they know. */
const countedAgain =
  (again: Again, gate: Mount["gate"], caller: Caller): Again =>
  (differs) =>
    gate.spend(caller) && again(differs);
