import type { Node } from "../../contract/node.ts";
import { asking } from "../operator/call.ts";
import { all } from "../operator/pages.ts";
import type { Where } from "../operator/way.ts";
import { didYouMean } from "../show/near.ts";

/** Whether a node of the fleet has all of these labels. */
export async function hasLabelled(where: Where, labels: readonly (readonly [string, string])[]): Promise<boolean> {
  const query = new URLSearchParams({ limit: "1" });
  for (const one of labels) query.append("label", one.join("="));
  const { nodes } = (await asking(where)(`/nodes?${query}`)) as { nodes?: unknown[] };
  return Array.isArray(nodes) && nodes.length > 0;
}

/** Null where a node of the fleet has this id or name; else what it may have been meant for, such as `; did you mean n1?`. */
export async function unlessNode(where: Where, idOrName: string): Promise<string | null> {
  const nodes = await all<Node>(asking(where), "nodes", "/nodes");
  if (nodes.some(({ id, name }) => id === idOrName || name === idOrName)) return null;
  return didYouMean(
    idOrName,
    nodes.map(({ name }) => name),
  );
}
