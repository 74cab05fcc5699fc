import type { ExpectedNode } from "../../../contract/fleet/expected.ts";
import type { Said } from "../../../contract/fleet/given.ts";
import type { Writer } from "../../../db/database.ts";
import { appendChanges, reserveRevisions } from "../../../db/queries/changes.ts";
import {
  expectedNodes,
  forgetUnseen,
  type KnownNode,
  nodesById,
  saveUnseen,
  seenByName,
} from "../../../db/queries/fleet/expected.ts";
import { forgetGiven, givenTo } from "../../../db/queries/fleet/given.ts";
import { uuidV5 } from "../../../pci/identity.ts";
import { shownOf } from "../given/shown.ts";

/** Names nodes that are expected by name alone, until one with that name is seen. */
const NAMESPACE = "3f3b1c66-58a9-5d0f-8c43-7f5e6d1a9b20";

/** Rows between two pauses: a list of a fleet must not keep this process from answering. */
const ROWS_AT_ONCE = 256;

/** The id that stands for a node of which only its name is known. */
export const placeholderOf = (name: string): string => uuidV5(NAMESPACE, name);

export const idOf = ({ id, name }: ExpectedNode): string => id?.toLowerCase() ?? placeholderOf(name);

/** The same text for the same labels, in whichever order they came. */
export const inOrder = (labels: Record<string, string> = {}) =>
  Object.fromEntries(Object.entries(labels).sort(([a], [b]) => (a < b ? -1 : 1)));

/** Adds nodes that nobody has seen, and brings those up to date whose name or labels are expected to be others. */
export async function addUnseen(
  tx: Writer,
  nodes: readonly ExpectedNode[],
  now: string,
  pause: () => Promise<void>,
): Promise<void> {
  const known = new Map((await nodesById(tx, nodes.map(idOf))).map((row) => [row.id, row]));
  const byName = nodes.filter(({ id }) => id === undefined).map(({ name }) => name);
  const seen = new Set((await seenByName(tx, byName)).map(({ name }) => name));
  const rows: { id: string; name: string; labels: Record<string, string> }[] = [];
  for (const node of nodes) {
    if (node.id === undefined && seen.has(node.name)) continue;
    const row = known.get(idOf(node));
    const wanted = { id: idOf(node), name: node.name, labels: inOrder(node.labels) };
    if (row && (row.state !== "EXPECTED" || row.key !== null)) continue;
    if (row && isShown(row, wanted)) continue;
    const next = row ? { ...wanted, ...(await shownWith(tx, wanted)) } : wanted;
    if (!row || !isShown(row, next)) rows.push(next);
  }
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

const isShown = (row: KnownNode, { name, labels }: Said) => row.name === name && row.labels === JSON.stringify(labels);

/** What is shown of it with what an operator gave to it: what is expected is what it says. */
async function shownWith(tx: Writer, { id, name, labels }: Said & { id: string }): Promise<Said> {
  const given = await givenTo(tx, "node", id);
  return given ? shownOf(given, { name, labels }) : { name, labels };
}

/** Forgets nodes of these that nobody has seen, with a line of the feed for each. */
export async function forget(tx: Writer, ids: readonly string[], now: string): Promise<void> {
  const forgotten = await forgetUnseen(tx, ids);
  if (forgotten.length === 0) return;
  await forgetGiven(
    tx,
    "node",
    forgotten.map(({ id }) => id),
  );
  const first = await reserveRevisions(tx, forgotten.length);
  await appendChanges(
    tx,
    forgotten.map(({ id, name }, index) => ({
      ...{ revision: first + index, time: now, kind: "forgotten", node_id: id, node_name: name },
      ...{ source: null, uuid: null, state: null, body: null },
    })),
  );
}

/**
 * A node has this name from now on, and had `former` before: what stood for the one is forgotten, and for the other there is
 * something again if it is expected and no other node is called so. Call it after its revision is reserved, which whoever
 * changes what is expected waits for, so that one of the two sees what the other one wrote.
 */
export async function replacePlaceholder(
  tx: Writer,
  node: { id: string; name: string; former: string | null },
  now: string,
): Promise<void> {
  const placeholder = placeholderOf(node.name);
  if (placeholder !== node.id) await forget(tx, [placeholder], now);
  if (node.former === null || node.former === node.name) return;
  const left = (await expectedNodes(tx)).filter(({ id, name }) => id === undefined && name === node.former);
  if (left.length > 0) await addUnseen(tx, left, now, async () => {});
}
