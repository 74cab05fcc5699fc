import type { Node } from "../../contract/node.ts";
import { asking } from "../operator/call.ts";
import { all } from "../operator/pages.ts";
import type { Where } from "../operator/way.ts";
import { didYouMean } from "../show/near.ts";

/** Null where a node of the fleet has this id or name; else what it may have been meant for, such as `; did you mean n1?`. */
export async function unlessNode(where: Where, idOrName: string): Promise<string | null> {
  const nodes = await all<Node>(asking(where), "nodes", "/nodes");
  if (nodes.some(({ id, name }) => id === idOrName || name === idOrName)) return null;
  return didYouMean(
    idOrName,
    nodes.map(({ name }) => name),
  );
}
