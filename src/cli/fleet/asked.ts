import type { Node } from "../../contract/node.ts";
import { Exit } from "../exit.ts";
import { asking } from "../operator/call.ts";
import { pages } from "../operator/pages.ts";
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
  for await (const nodes of pages<Node>(asking(where), "nodes", "/nodes")) {
    if (nodes.some(({ id, name }) => id === idOrName || name === idOrName)) return true;
  }
  return false;
}
