import type { Condition } from "../../../contract/condition.ts";
import type { NodeRow } from "../../../db/queries/nodes.ts";
import type { Fleet, Tracked } from "../fleet.ts";
import type { Claimant } from "./claims.ts";
import type { Roster } from "./roster.ts";

/** How long a node is in conflict after two runs of it were last heard. */
export const conflictMs = (fleet: Fleet, tracked: Tracked) => 2 * fleet.ttlMs(tracked);

/**
 * A run of a machine says to be this node. Null: no other one does. Else what is shown of it from now on: both are to be
 * refused, and a link that one of them had is closed, as neither's hardware can be told from the other's.
 */
export async function secondBoot(
  fleet: Fleet,
  roster: Roster,
  tracked: Tracked,
  claimant: Claimant,
): Promise<Condition | null> {
  const { id } = tracked.row;
  const both = fleet.claims.claim(id, claimant);
  if (!both) {
    if (tracked.conflict?.blocks) tracked.conflict = null;
    return null;
  }
  fleet.links.close(id, "another machine has the same key");
  const condition = twoBoots(both, fleet.world.now().toISOString());
  await roster.contest(tracked, condition, { forMs: conflictMs(fleet, tracked), blocks: true });
  return condition;
}

/** What is said of a node that two runs take turns in being. */
const twoBoots = (both: readonly [Claimant, Claimant], since: string): Condition => ({
  type: "IdentityUnique",
  status: "false",
  reason: "TwoBoots",
  message: `two machines say to be this node: boot ${both[0].boot} (${both[0].from}) and boot ${both[1].boot} (${both[1].from})`,
  action:
    "stop one of them; if it is a copy, remove node-id, node.key and joined.json from its state directory and join it anew",
  since,
});

/** What is said of a node that somebody else has tried to join as. */
export const twoKeys = (known: NodeRow, second: { key: string; from: string }, since: string): Condition => ({
  type: "IdentityUnique",
  status: "false",
  reason: "TwoKeys",
  message: `two keys claim to be node ${known.id} (${known.name}): ${known.key}, which it joined with, and ${second.key}, from ${second.from}`,
  action: `if the second one is a copy, or replays the same \`--snapshot\`: start it with a \`--node-id\` and a \`--node\` of its own; if the machine was replaced or its state lost: \`sinew node rekey ${known.id}\`, then join again; else find out who has its node id`,
  since,
});
