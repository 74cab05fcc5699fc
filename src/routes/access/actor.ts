import type { Context } from "hono";
import { ACTOR_HEADER } from "../../contract/version.ts";
import type { Env } from "../app.ts";

const LONGEST_NAME = 300;

/**
 * Whom a caller names as the one who asked, for what is shown and kept: one line of it, which no database refuses. Null: it
 * names nobody. Whether that is believed is the route's to say.
 */
export function namedActor(c: Context<Env>): string | null {
  const said = c.req.header(ACTOR_HEADER);
  if (said === undefined) return null;
  const name = decoded(said).slice(0, LONGEST_NAME).toWellFormed();
  return name.replace(/[\p{Cc}\p{Cf}\u2028\u2029]/gu, "?") || null;
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text; // whoever sent it wrote it otherwise
  }
}

/** Who did something: of this machine, which one of those who may read its state directory; they are admins, whoever they say to be. */
export function actorOf(c: Context<Env>): string {
  const { local, name } = c.get("caller");
  return (local && namedActor(c)) || name;
}
