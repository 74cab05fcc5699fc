import type { Writer } from "../../../db/database.ts";
import { appendChanges, reserveRevisions } from "../../../db/queries/changes.ts";
import { forgetUnseen } from "../../../db/queries/fleet/expected.ts";
import { uuidV5 } from "../../../pci/identity.ts";

/** Names nodes that are expected by name alone, until one with that name is seen. */
const NAMESPACE = "3f3b1c66-58a9-5d0f-8c43-7f5e6d1a9b20";

export const placeholderOf = (name: string): string => uuidV5(NAMESPACE, name);

/** Forgets nodes of these that nobody has seen, with a line of the feed for each. */
export async function forget(tx: Writer, ids: readonly string[], now: string): Promise<void> {
  const forgotten = await forgetUnseen(tx, ids);
  if (forgotten.length === 0) return;
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
 * A node with this name is here: what stood for it is forgotten. Call it after its revision is reserved, which whoever
 * changes what is expected waits for, so that one of the two sees what the other one wrote.
 */
export const replacePlaceholder = (tx: Writer, node: { id: string; name: string }, now: string): Promise<void> => {
  const placeholder = placeholderOf(node.name);
  return placeholder === node.id ? Promise.resolve() : forget(tx, [placeholder], now);
};
