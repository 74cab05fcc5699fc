import { Exit } from "../exit.ts";

const PER_PAGE = "1000";
/** More than any fleet has: whoever answers so has no end. */
const MOST_PAGES = 10_000;

/**
 * What a tier lists as `name` at `path`, page by page, with what else each page says; `ask` gets a path and gives the body.
 * Throws Exit where it is no list. What is in it is our own tier's, whose schema its tests check.
 */
export async function* bodies<T>(
  ask: (path: string) => Promise<unknown>,
  name: string,
  path: string,
  filter = new URLSearchParams(),
): AsyncGenerator<{ rows: T[]; body: Record<string, unknown> }> {
  const query = new URLSearchParams(filter);
  if (!query.has("limit")) query.set("limit", PER_PAGE);
  const seen = new Set<string>();
  for (let page = 1; page <= MOST_PAGES; page += 1) {
    const body = (await ask(`${path}?${query}`)) as Record<string, unknown> | null;
    const rows = body?.[name];
    if (!body || !Array.isArray(rows)) throw new Exit(1, `expected a list of ${name}, got something else`);
    yield { rows, body };
    const { next_page_token: next } = body;
    if (typeof next !== "string") return;
    if (seen.has(next)) throw new Exit(1, `the list of ${name} goes round in a circle`);
    seen.add(next);
    query.set("page_token", next);
  }
  throw new Exit(1, `the list of ${name} has no end: it has gone on for ${MOST_PAGES} pages`);
}

/** The rows of each page alone. */
export async function* pages<T>(...of: Parameters<typeof bodies<T>>): AsyncGenerator<T[]> {
  for await (const { rows } of bodies<T>(...of)) yield rows;
}

/** All of what `pages` gives. */
export async function all<T>(...of: Parameters<typeof pages<T>>): Promise<T[]> {
  const found: T[] = [];
  for await (const page of pages<T>(...of)) found.push(...page);
  return found;
}
