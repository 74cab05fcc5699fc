import type { ExpectedDiff, ExpectedNode, ExpectedNodes } from "../../../contract/fleet/expected.ts";
import type { Database } from "../../../db/database.ts";
import { reserveRevisions } from "../../../db/queries/changes.ts";
import { expectedNodes, nodesById, saveExpected, seenByName } from "../../../db/queries/fleet/expected.ts";
import { sleep, type World } from "../../../world.ts";
import { addUnseen, forget, idOf, inOrder } from "./unseen.ts";

/** Which nodes are to be in the fleet. */
export interface Expectation {
  show(): Promise<ExpectedNodes["nodes"]>;
  /** In the place of all that was expected. A node that was seen stays what it is. */
  set(nodes: readonly ExpectedNode[]): Promise<ExpectedDiff>;
}

const textOf = (node: ExpectedNode) => JSON.stringify([node.name, idOf(node), inOrder(node.labels)]);

export function createExpectation({ db, world }: { db: Database; world: Pick<World, "now" | "timer"> }): Expectation {
  return {
    async show() {
      const nodes = await expectedNodes(db.read);
      const known = new Map((await nodesById(db.read, nodes.map(idOf))).map((row) => [row.id, row]));
      const names = nodes.filter(({ id }) => id === undefined).map(({ name }) => name);
      const seen = new Map((await seenByName(db.read, names)).map(({ id, name }) => [name, id]));
      return nodes.map((node) => {
        const own = known.get(idOf(node));
        const here = own && own.state !== "EXPECTED" ? own.id : null;
        return { ...node, node: here ?? (node.id === undefined ? (seen.get(node.name) ?? null) : null) };
      });
    },
    set: (nodes) =>
      db.write(async (tx) => {
        const now = world.now().toISOString();
        // Whoever writes a node's first state waits here, or has written it: see replacePlaceholder.
        await reserveRevisions(tx, 1);
        const before = new Map((await expectedNodes(tx)).map((node) => [node.name, node]));
        const after = new Map(nodes.map((node) => [node.name, node]));
        const ids = new Set(nodes.map(idOf));
        await saveExpected(tx, nodes);
        const left = [...before.values()].map(idOf).filter((id) => !ids.has(id));
        await forget(tx, left, now);
        await addUnseen(tx, nodes, now, () => sleep(world, 0));
        const isSame = (node: ExpectedNode) => textOf(before.get(node.name) ?? node) === textOf(node);
        const both = nodes.filter(({ name }) => before.has(name));
        return {
          added: nodes.filter(({ name }) => !before.has(name)).map(({ name }) => name),
          withdrawn: [...before.keys()].filter((name) => !after.has(name)),
          changed: both.filter((node) => !isSame(node)).map(({ name }) => name),
          unchanged: both.filter(isSame).length,
        };
      }),
  };
}
