import { lockAlarms, lostTogether, openAlarm } from "../../../../db/queries/fleet/alarms.ts";
import { type Context, firing, resolved } from "../apply.ts";
import { commit, type Drafts } from "../commit.ts";
import { OUTAGE } from "../problems.ts";
import { type AlarmBody, bodyOf, SHOWN, type StoredAlarm } from "../rows.ts";

/** How many nodes the open outage has; null: none is open. `stored`: as its alarm says. */
export async function membersOfOutage({ db }: Context): Promise<{ members: number; stored: number } | null> {
  const row = await openAlarm(db.read, OUTAGE);
  if (!row) return null;
  const { total } = await lostTogether(db.read, 1);
  return { members: total, stored: bodyOf(row).members?.total ?? 0 };
}

/**
 * Brings the alarm of an outage up to who is lost without an alarm of their own. `trigger`: the node that gives cause to it.
 * `end`: the outage is over, though some may be lost still.
 */
export const applyOutage = (
  context: Context,
  { trigger, end }: { trigger: { id: string; name: string } | null; end: boolean },
): Promise<void> =>
  context.db.write(async (tx) => {
    const { db, world, kinds } = context;
    const now = world.now().toISOString();
    await lockAlarms(tx);
    const found = await openAlarm(tx, OUTAGE);
    const members = await lostTogether(tx, SHOWN);
    const drafts: Drafts = { rows: [], dropped: [] };
    if (found) {
      const { position: _, ...row } = found;
      const body = { ...bodyOf(row), ...(trigger ? { trigger } : {}) };
      if (end) drafts.rows.push(resolved(row, { ...body, members }, now));
      else if (members.total !== body.members?.total)
        drafts.rows.push({ row: { ...row, body: JSON.stringify({ ...body, ...outageOf(members) }) }, tell: false });
    } else if (!end && trigger) {
      const body: AlarmBody = {
        ...outageOf(members),
        devices: { total: 0, uuids: [] },
        ...{ acknowledged: null, silenced_by: null, labels: {}, told: false, trigger },
      };
      const row: StoredAlarm = {
        ...{ id: world.uuid(), fingerprint: OUTAGE, open: OUTAGE, kind: "agent.lost", state: "pending" },
        ...{ severity: kinds["agent.lost"].severity, node_id: null, node_name: null, source: null, uuid: null },
        ...{ since: now, fired_at: null, resolved_at: null, revision: 0, body: JSON.stringify(body) },
      };
      drafts.rows.push(firing(row, body, context, now));
    }
    await commit(tx, drafts, { epoch: db.epoch, now, targets: context.targets });
  });

const outageOf = (members: { total: number; nodes: { id: string; name: string }[] }) => ({
  reason: "Outage",
  message: `${members.total} nodes were lost together, ${members.nodes
    .slice(0, 3)
    .map(({ name }) => name)
    .join(", ")}${members.total > 3 ? " and others" : ""}`,
  action: "look for what they have in common: power, a switch, a network, an upgrade",
  members,
});
