import { SinewError } from "../../../contract/problem.ts";
import type { Reader, Writer } from "../../../db/database.ts";
import { expectedNodes } from "../../../db/queries/fleet/expected.ts";
import { givenTo } from "../../../db/queries/fleet/given.ts";
import { keyedByName, setKey } from "../../../db/queries/keys.ts";
import { getNode } from "../../../db/queries/nodes.ts";

/**
 * Whether a node is called so: as it is shown, or as it says itself while it was given another name. Of a node that is known
 * its name is known, too: whoever may join as n1 could call any other node n1 otherwise.
 */
export async function isCalled(r: Reader, node: Named, name: string): Promise<boolean> {
  return node.name === name || (await givenTo(r, "node", node.id))?.said?.name === name;
}

interface Named {
  id: string;
  name: string;
}

const refused = (name: string, detail: string) => new SinewError("forbidden", `node.name: ${name} is ${detail}`);

/**
 * A node that calls itself as another one is called would be taken for it by whoever asks by name. Throws SinewError
 * forbidden where that one has joined with a key, and where this name is an id.
 */
export async function refuseOthersName(r: Reader, { id, name }: Named): Promise<void> {
  // Lists choose by either: what is of the one would be shown as the other's.
  const named = name.toLowerCase();
  if (named !== id && (await getNode(r, named)))
    throw refused(name, `the id of another node: give this one another (\`--node\`)`);
  const other = await keyedByName(r, name, id);
  if (other === null) return;
  const advice = `give this one another (\`--node\`); if it is here in that one's place, \`sinew node rekey ${other}\` first`;
  throw refused(name, `the name of node ${other}, which has joined with a key: ${advice}`);
}

/** A node that nobody has heard yet, but for its name. */
export const newcomer = (id: string, first_seen: string) => ({
  ...{ id, state: "EXPECTED", labels: "{}", endpoint: null, last_seen: null, api: null },
  ...{ generation: null, boot_id: null, first_seen, key: null, conditions: null },
});

/** Gives a node its key, as `setKey` does. Of two of one name that join at the same time the second is refused, too. */
export async function setOwnKey(
  tx: Writer,
  { id, name, before, key }: Named & { before: string | null; key: string },
): Promise<boolean> {
  const set = await setKey(tx, id, before, key);
  // Keys are set one after the other, by their counter.
  if (set && before === null) await refuseOthersName(tx, { id, name });
  return set;
}

/**
 * A node that is called otherwise from now on must not pass for one that is expected, and is another. Throws SinewError
 * forbidden where that is expected by its id, or this one under the name that it has.
 */
export async function refuseExpectedName(r: Reader, { id, name, former }: Named & { former: string }): Promise<void> {
  const nodes = await expectedNodes(r);
  const wanted = nodes.find((node) => node.name === name);
  if (!wanted || wanted.id?.toLowerCase() === id) return;
  if (wanted.id !== undefined)
    throw refused(
      name,
      `expected to be node ${wanted.id}: correct the list of \`sinew expect nodes\` if it is this one`,
    );
  const own = nodes.find((node) => (node.id === undefined ? node.name === former : node.id.toLowerCase() === id));
  if (!own) return;
  const advice = `correct the list of \`sinew expect nodes\` if this node is to be called so`;
  throw refused(name, `expected to be another node than ${own.name}, which this one is: ${advice}`);
}
