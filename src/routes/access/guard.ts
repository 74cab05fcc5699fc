import { createRoute, type RouteConfig } from "@hono/zod-openapi";
import type { MiddlewareHandler } from "hono";
import { admits, type CallerRole } from "../../auth/caller.ts";
import { SinewError } from "../../contract/problem.ts";
import { type App, type Env, problems } from "../app.ts";

type Described = Omit<RouteConfig, "path">;

/**
 * Declares a route and who may call it. The roles stand in the document (`security`), from which the table of routes and
 * roles is tested; the check comes before anything of the request is validated.
 */
export function guarded<P extends string, R extends Described & { path: P }>(roles: readonly CallerRole[], route: R) {
  return createRoute<P, R>({
    ...route,
    security: [{ bearer: [...roles] }],
    middleware: [admit(roles), ...[route.middleware ?? []].flat()],
    responses: { ...route.responses, ...problems(401, 403, 429) },
  });
}

/** Declares a route that strangers may call, too. */
export const unguarded = <P extends string, R extends Described & { path: P }>(route: R) =>
  createRoute<P, R>({ ...route, security: [] });

const admit =
  (roles: readonly CallerRole[]): MiddlewareHandler<Env> =>
  async (c, next) => {
    const { role, name } = c.get("caller");
    if (!admits(roles, role)) {
      const hint =
        role === "anyone" ? "with --auth open this takes this node's operator token" : `${name} has role ${role}`;
      throw new SinewError("forbidden", `${c.req.method} ${c.req.path}: expected role ${shown(roles)}; ${hint}`);
    }
    await next();
  };

/** The roles that people know: the conductor above an agent needs no token. */
const shown = (roles: readonly CallerRole[]) => roles.filter((role) => role !== "above").join(" or ");

/** Throws where a route of the document does not say who may call it: it must not even start. */
export function checkGuards(app: App): void {
  for (const definition of app.openAPIRegistry.definitions) {
    if (definition.type !== "route" || definition.route.security) continue;
    throw new Error(
      `${definition.route.method} ${definition.route.path} declares no roles: use guarded() or unguarded()`,
    );
  }
}
