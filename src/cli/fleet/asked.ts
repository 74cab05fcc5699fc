import type { Node } from "../../contract/node.ts";
import { Exit } from "../exit.ts";
import { call } from "../operator/call.ts";
import type { Where } from "../operator/way.ts";

/** The value of an option that has to be one of these. Throws Exit 2 naming the option. */
export function oneOf<T extends string>(
  option: string,
  found: string | undefined,
  values: readonly T[],
): T | undefined {
  const value = values.find((one) => one === found);
  if (found === undefined || value !== undefined) return value;
  throw new Exit(2, `${option}: expected ${values.join(", ")}, found ${JSON.stringify(found)}`);
}

/** Whether a node of the fleet has this id or name. */
export async function isNode(where: Where, idOrName: string): Promise<boolean> {
  let more = "";
  for (;;) {
    const page = (await call(where, { path: `/nodes?limit=1000${more}` })).body as {
      nodes?: Node[];
      next_page_token?: string;
    } | null;
    if (!Array.isArray(page?.nodes)) throw new Exit(1, "expected a list of nodes, got something else");
    if (page.nodes.some(({ id, name }) => id === idOrName || name === idOrName)) return true;
    if (typeof page.next_page_token !== "string") return false;
    more = `&page_token=${encodeURIComponent(page.next_page_token)}`;
  }
}
