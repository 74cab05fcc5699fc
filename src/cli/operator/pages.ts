import { Exit } from "../exit.ts";

const PER_PAGE = "1000";

/**
 * What a tier lists as `name` at `path`, page by page; `ask` gets a path and gives the body. Throws Exit where it is no list.
 * What is in it is our own tier's, whose schema its tests check.
 */
export async function* pages<T>(
  ask: (path: string) => Promise<unknown>,
  name: string,
  path: string,
  filter = new URLSearchParams(),
): AsyncGenerator<T[]> {
  const query = new URLSearchParams(filter);
  query.set("limit", PER_PAGE);
  for (;;) {
    const page = (await ask(`${path}?${query}`)) as Record<string, unknown> | null;
    const found = page?.[name];
    if (!Array.isArray(found)) throw new Exit(1, `expected a list of ${name}, got something else`);
    yield found;
    if (typeof page?.next_page_token !== "string") return;
    query.set("page_token", page.next_page_token);
  }
}

/** All of what `pages` gives. */
export async function all<T>(...of: Parameters<typeof pages<T>>): Promise<T[]> {
  const found: T[] = [];
  for await (const page of pages<T>(...of)) found.push(...page);
  return found;
}
