import type { ExpectedDiff, ExpectedNode, ExpectedNodes } from "../../../contract/fleet/expected.ts";
import type { Database, Writer } from "../../../db/database.ts";
import { appendChanges, reserveRevisions } from "../../../db/queries/changes.ts";
import { expectedNodes, nodesById, saveExpected, saveUnseen, seenByName } from "../../../db/queries/fleet/expected.ts";
import type { World } from "../../../world.ts";
import { forget, placeholderOf } from "./unseen.ts";

/** Which nodes are to be in the fleet. */
export interface Expectation {
  show(): Promise<ExpectedNodes["nodes"]>;
  /** In the place of all that was expected. A node that was seen stays what it is. */
  set(nodes: readonly ExpectedNode[]): Promise<ExpectedDiff>;
}

/** Rows between two pauses: a list of a fleet must not keep this process from answering. */
const ROWS_AT_ONCE = 256;

const idOf = ({ id, name }: ExpectedNode): string => id?.toLowerCase() ?? placeholderOf(name);

/** The same text for the same labels, in whichever order they came. */
const inOrder = (labels: Record<string, string> = {}) =>
  Object.fromEntries(Object.entries(labels).sort(([a], [b]) => (a < b ? -1 : 1)));
const textOf = (node: ExpectedNode) => JSON.stringify([node.name, idOf(node), inOrder(node.labels)]);

export function createExpectation({ db, world }: { db: Database; world: Pick<World, "now" | "timer"> }): Expectation {
  const pause = () => new Promise<void>((resume) => world.timer(0, resume));

  /** Adds nodes that nobody has seen, and brings those up to date whose name or labels are expected to be others. */
  async function expect(tx: Writer, nodes: readonly ExpectedNode[], now: string): Promise<void> {
    const known = new Map((await nodesById(tx, nodes.map(idOf))).map((row) => [row.id, row]));
    const byName = nodes.filter(({ id }) => id === undefined).map(({ name }) => name);
    const seen = new Set((await seenByName(tx, byName)).map(({ name }) => name));
    const rows = nodes.flatMap((node) => {
      if (node.id === undefined && seen.has(node.name)) return [];
      const row = known.get(idOf(node));
      const labels = inOrder(node.labels);
      if (row && (row.state !== "EXPECTED" || row.key !== null)) return [];
      if (row && row.name === node.name && row.labels === JSON.stringify(labels)) return [];
      return [{ id: idOf(node), name: node.name, labels }];
    });
    if (rows.length === 0) return;
    const first = await reserveRevisions(tx, rows.length);
    const numbered = rows.map((row, index) => ({ ...row, revision: first + index }));
    for (let start = 0; start < numbered.length; start += ROWS_AT_ONCE) {
      if (start > 0) await pause();
      const some = numbered.slice(start, start + ROWS_AT_ONCE);
      await saveUnseen(tx, some, now);
      await appendChanges(
        tx,
        some.map(({ id, name, revision }) => ({
          ...{ revision, time: now, kind: "state", node_id: id, node_name: name },
          ...{ source: null, uuid: null, state: "EXPECTED", body: null },
        })),
      );
    }
  }

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
        await expect(tx, nodes, now);
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
