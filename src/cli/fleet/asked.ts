import type { Node } from "../../contract/node.ts";
import { asking } from "../operator/call.ts";
import { pages } from "../operator/pages.ts";
import type { Where } from "../operator/way.ts";

/** Whether a node of the fleet has this id or name. */
export async function isNode(where: Where, idOrName: string): Promise<boolean> {
  for await (const nodes of pages<Node>(asking(where), "nodes", "/nodes")) {
    if (nodes.some(({ id, name }) => id === idOrName || name === idOrName)) return true;
  }
  return false;
}
