import type { NodeState } from "../../../contract/node.ts";
import { SinewError } from "../../../contract/problem.ts";
import type { Database, Writer } from "../../../db/database.ts";
import { appendChanges, forgottenBody, markSources, reserveRevisions } from "../../../db/queries/changes.ts";
import { expectedNodes, saveExpected } from "../../../db/queries/fleet/expected.ts";
import {
  devicesToForget,
  type ForgottenDevice,
  forgetDevices,
  forgetNodeRow,
} from "../../../db/queries/fleet/forget.ts";
import { type HardwareRow, hardwareByUuid } from "../../../db/queries/hardware.ts";
import { countKeys } from "../../../db/queries/keys.ts";
import { getNode, lockNodes, type NodeRow, theNode } from "../../../db/queries/nodes.ts";
import type { World } from "../../../world.ts";
import { idOf } from "../expected/unseen.ts";
import { isCurrent } from "../fleet.ts";

type Parts = { db: Database; world: Pick<World, "now"> };

/**
 * Forgets a node and all that is stored of it: its devices, its sources, its key, what was given to it, and that it is
 * expected. Its id. Throws SinewError not_found, ambiguous_name, and busy for one that is still heard.
 */
export async function forgetNode({ db, world }: Parts, idOrName: string, by: string): Promise<string> {
  const { id } = await theNode(db.read, idOrName);
  const now = world.now().toISOString();
  return db.write(async (tx) => {
    await lockNodes(tx, [id]);
    const row = await getNode(tx, id);
    if (!row) throw new SinewError("not_found", `node ${idOrName} has just been forgotten`);
    if (isCurrent(row.state as NodeState))
      // written from a NodeState only
      throw new SinewError(
        "busy",
        `node ${row.name} is ${row.state}: stop its agent first, or it would be back at once`,
      );
    const devices = await devicesToForget(tx, id);
    const first = await reserveRevisions(tx, devices.length + 1);
    // After the revision, which whoever changes what is expected waits for.
    const expected = await expectedNodes(tx);
    const left = expected.filter((node) => idOf(node) !== id && (node.id !== undefined || node.name !== row.name));
    if (left.length < expected.length) await saveExpected(tx, left);
    await forgetDevices(tx, devices);
    await forgetNodeRow(tx, id);
    // By this the other conductors learn of it, which hold its link or its row.
    await countKeys(tx);
    await markSources(tx, first);
    await tell(tx, row, devices, { first, now, by });
    return id;
  });
}

/** Forgets a device that is GONE, wherever it was. Throws SinewError not_found, and busy where it is none of them. */
export function forgetDevice({ db, world }: Parts, uuid: string, by: string): Promise<void> {
  const now = world.now().toISOString();
  return db.write(async (tx) => {
    const seen = await hardwareByUuid(tx, uuid);
    await lockNodes(tx, [...new Set(seen.map(({ node_id }) => node_id))].sort());
    const rows = await hardwareByUuid(tx, uuid);
    const [any] = rows;
    if (!any) throw new SinewError("not_found", `no device ${uuid} is in the fleet`);
    const gone = rows.filter(({ freshness }) => freshness === "GONE");
    if (gone.length === 0)
      throw new SinewError("busy", `device ${uuid} is ${any.freshness}: only one that is GONE can be forgotten`);
    let first = await reserveRevisions(tx, gone.length);
    await forgetDevices(tx, gone);
    for (const [node_id, devices] of Map.groupBy(gone, (row: HardwareRow) => row.node_id)) {
      const node = await getNode(tx, node_id);
      if (node) await tell(tx, node, devices, { first, now, by, but: "node" });
      first += devices.length;
    }
  });
}

/** A line of the feed for each device, and one for the node. */
async function tell(
  tx: Writer,
  node: Pick<NodeRow, "id" | "name">,
  devices: ForgottenDevice[],
  { first, now, by, but }: { first: number; now: string; by: string; but?: "node" },
) {
  const common = { time: now, kind: "forgotten", node_id: node.id, node_name: node.name, state: null };
  const body = forgottenBody(by);
  const lines: { source: string | null; uuid: string | null }[] = [
    ...devices,
    ...(but === "node" ? [] : [{ source: null, uuid: null }]),
  ];
  await appendChanges(
    tx,
    lines.map(({ source, uuid }, index) => ({ ...common, body, source, uuid, revision: first + index })),
  );
}
