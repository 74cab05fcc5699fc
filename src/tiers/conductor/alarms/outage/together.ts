import { lockAlarms, openAlarm } from "../../../../db/queries/fleet/alarms.ts";
import { lostTogether } from "../../../../db/queries/fleet/outage.ts";
import { type Context, firing, resolved } from "../apply.ts";
import { commit, type Drafts } from "../commit.ts";
import { OUTAGE } from "../problems.ts";
import { type AlarmBody, bodyOf, SHOWN, type StoredAlarm } from "../rows.ts";

/** The open outage. */
export interface Outage {
  /** Nodes that are LOST without an alarm of their own; `stored`: as its alarm says. */
  members: number;
  stored: number;
  /** At which its alarm was written last. */
  revision: number;
}

export async function openOutage({ db }: Context): Promise<Outage | null> {
  const row = await openAlarm(db.read, OUTAGE);
  if (!row) return null;
  const { total } = await lostTogether(db.read, 1);
  return { members: total, stored: bodyOf(row).members?.total ?? 0, revision: row.revision };
}

/**
 * Brings the alarm of an outage up to who is lost without an alarm of their own, but for those of `folding`, who are about to
 * lose theirs. `trigger`: the node that gives cause to it. `end`: it is over, though some may be lost still. `news`: so many
 * more than were named are notified; null: none are. Resolves to whether anything was.
 */
export const applyOutage = (
  context: Context,
  {
    trigger,
    folding,
    end,
    news,
  }: { trigger: { id: string; name: string } | null; folding: string[]; end: boolean; news: number | null },
): Promise<boolean> =>
  context.db.write(async (tx) => {
    const { db, world, kinds } = context;
    const now = world.now().toISOString();
    await lockAlarms(tx);
    const found = await openAlarm(tx, OUTAGE);
    const members = await lostTogether(tx, SHOWN, folding);
    const drafts: Drafts = { rows: [], dropped: [] };
    if (found) {
      const { position: _, ...row } = found;
      const body = { ...bodyOf(row), ...(trigger ? { trigger } : {}) };
      if (end) drafts.rows.push(resolved(row, { ...body, members }, now));
      else if (members.total !== body.members?.total) drafts.rows.push(counted(row, body, members, news));
    } else if (!end && trigger) {
      const body: AlarmBody = {
        ...outageOf(members),
        devices: { total: 0, uuids: [] },
        ...{ acknowledged: null, silenced_by: null, labels: {}, notified: null, former: null, trigger },
        known: members.total,
      };
      const row: StoredAlarm = {
        ...{ id: world.uuid(), fingerprint: OUTAGE, open: OUTAGE, kind: "agent.lost", state: "pending" },
        ...{ severity: kinds["agent.lost"].severity, node_id: null, node_name: null, source: null, uuid: null },
        ...{ since: now, fired_at: null, resolved_at: null, revision: 0, body: JSON.stringify(body) },
      };
      drafts.rows.push(firing(row, body, context, now));
    }
    await commit(tx, drafts, { epoch: db.epoch, now, targets: context.targets });
    return drafts.rows.some(({ notify }) => notify);
  });

type Members = Awaited<ReturnType<typeof lostTogether>>;

/** The same outage, with as many members as it has now. */
function counted(row: StoredAlarm, body: AlarmBody, members: Members, news: number | null): Drafts["rows"][number] {
  // Who is back and lost once more is news again.
  const known = Math.min(body.known ?? members.total, members.total);
  const notify = body.silenced_by === null && news !== null && members.total - known > news;
  const next = {
    ...{ ...body, ...outageOf(members) },
    ...(notify ? { notified: row.severity, known: members.total } : { known }),
  };
  return { row: { ...row, body: JSON.stringify(next) }, notify };
}

const outageOf = (members: Members) => ({
  reason: "Outage",
  message: `${members.total} nodes were lost together, ${members.nodes
    .slice(0, 3)
    .map(({ name }) => name)
    .join(", ")}${members.total > 3 ? " and others" : ""}`,
  action: "look for what they have in common: power, a switch, a network, an upgrade",
  members,
});
