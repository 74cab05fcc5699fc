import type { HardwarePatch, NodePatch, Said } from "../../../contract/fleet/given.ts";
import { MOST_LABELS } from "../../../contract/fleet/labels.ts";
import type { Hardware } from "../../../contract/hardware.ts";
import type { Node, NodeState } from "../../../contract/node.ts";
import { SinewError } from "../../../contract/problem.ts";
import type { Database, Writer } from "../../../db/database.ts";
import { appendChanges, givenBody, reserveRevisions } from "../../../db/queries/changes.ts";
import { givenTo, NOTHING, saveGiven } from "../../../db/queries/fleet/given.ts";
import { cordonOf, hardwareText, oneDevice } from "../../../db/queries/hardware.ts";
import { getNode, lockNodes, type NodeRow, namedBeside, setShown, theNode, toNode } from "../../../db/queries/nodes.ts";
import { sleep, type World } from "../../../world.ts";
import { placeholderOf, replacePlaceholder } from "../expected/unseen.ts";
import { breathing, record } from "../inventory/record.ts";
import { renamedDevices } from "../inventory/write.ts";
import { cordonAfter, patched, shownOf, whatBecame } from "./shown.ts";

type Parts = { db: Database; world: Pick<World, "now" | "timer"> };

/** Gives a node a name, labels or a cordon, or takes them back. Throws SinewError not_found, ambiguous_name, name_taken, busy. */
export async function patchNode({ db, world }: Parts, idOrName: string, patch: NodePatch, by: string): Promise<Node> {
  const { id } = await theNode(db.read, idOrName);
  const now = world.now().toISOString();
  return db.write(async (tx) => {
    await lockNodes(tx, [id]);
    const row = await getNode(tx, id);
    if (!row) throw new SinewError("not_found", `node ${idOrName} has just been forgotten`);
    const before = (await givenTo(tx, "node", id)) ?? NOTHING;
    const says: Said = before.said ?? { name: row.name, labels: JSON.parse(row.labels) };
    const after = patched(before, patch, says, { by, now });
    if (JSON.stringify(after) === JSON.stringify(before)) return toNode(row, before);
    const { name, labels } = shownOf(after, says);
    refuseMany(labels);
    const former = name === row.name ? null : row.name;
    if (former !== null) refuseUnseen(row);
    const node = { id, name };
    const changes = former === null ? [] : await renamedDevices(tx, node);
    const was = { name: row.name, labels: JSON.parse(row.labels), cordoned: before.cordoned };
    const change = { by, ...whatBecame(was, { name, labels, cordoned: after.cordoned }) };
    const given = { cordoned: after.cordoned, change };
    const state = { state: row.state as NodeState, sources: [], listed: former !== null, given }; // written from a NodeState only
    const rest = breathing(changes, () => sleep(world, 0));
    const revision = await record(tx, [{ node, now, changes, state }], rest);
    if (revision === null) throw new Error(`a change of node ${id} has no revision`);
    // After the revision, which whoever names a node waits for.
    if (former !== null) await refuseTaken(tx, node);
    await saveGiven(tx, "node", id, after, revision);
    const shown = { name, labels: JSON.stringify(labels), revision };
    await setShown(tx, id, shown);
    if (former !== null) await replacePlaceholder(tx, { ...node, former }, now);
    return toNode({ ...row, ...shown }, after);
  });
}

function refuseMany(labels: Said["labels"]) {
  if (Object.keys(labels).length <= MOST_LABELS) return;
  const detail = `expected at most ${MOST_LABELS} labels together with those that the node says itself`;
  throw new SinewError("invalid", `/labels: ${detail}`, { errors: [{ pointer: "/labels", detail }] });
}

/** It is known by that name alone, or is to be called so once it comes. */
function refuseUnseen({ state, key, name }: NodeRow) {
  if (state !== "EXPECTED" || key !== null) return;
  throw new SinewError(
    "busy",
    `node ${name} was never seen: what it is called is in the list of \`sinew expect nodes\``,
  );
}

async function refuseTaken(tx: Writer, { id, name }: Hardware["node"]) {
  const other = await namedBeside(tx, name, [id, placeholderOf(name)]);
  if (other === null) return;
  // Lists choose by either: what is of the one would be shown as the other's.
  const is = other === name.toLowerCase() ? `node ${other} has this id` : `node ${other} is called ${name}`;
  throw new SinewError("name_taken", `/name: ${is}`);
}

/** Takes a device out of service, or back. Its JSON. Throws SinewError not_found, ambiguous_uuid. */
export function patchDevice({ db, world }: Parts, uuid: string, patch: HardwarePatch, by: string): Promise<string> {
  const now = world.now().toISOString();
  return db.write(async (tx) => {
    const found = await oneDevice(tx, uuid);
    await lockNodes(tx, found ? [found.node_id] : []);
    const [row, node] = found ? [await oneDevice(tx, uuid), await getNode(tx, found.node_id)] : [null, null];
    if (!row || !node) throw new SinewError("not_found", `no device ${uuid} is in the fleet`);
    const before = (await givenTo(tx, "device", row.uuid)) ?? NOTHING;
    const cordoned = cordonAfter(before.cordoned, patch.cordoned, { by, now });
    if (JSON.stringify(cordoned) !== JSON.stringify(before.cordoned)) {
      const revision = await reserveRevisions(tx, 1);
      await saveGiven(tx, "device", row.uuid, { ...before, cordoned }, revision);
      const body = givenBody(cordoned, { by, cordoned: { from: before.cordoned, to: cordoned } }, hardwareText(row));
      const common = { time: now, node_id: node.id, node_name: node.name, source: row.source, uuid: row.uuid };
      await appendChanges(tx, [{ ...common, revision, kind: "changed", state: null, body }]);
    }
    return hardwareText({ ...row, cordon: await cordonOf(tx, row) });
  });
}
