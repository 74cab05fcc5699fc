import type { MiddlewareHandler } from "hono";
import { SinewError } from "../contract/problem.ts";
import type { Env } from "./app.ts";

/** A body without a content type is taken for JSON, as the seed's implementers send it; another type is refused. */
export const jsonOnly: MiddlewareHandler<Env> = async (c, next) => {
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
