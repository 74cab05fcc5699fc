import { firingAlarms, lockAlarms, openAlarm } from "../../../../db/queries/fleet/alarms.ts";
import type { Context } from "../apply.ts";
import { commit, type Drafts } from "../commit.ts";
import type { Problem } from "../problems.ts";
import { bodyOf, isNews, type StoredAlarm } from "../rows.ts";
import { silencedBy } from "./match.ts";

const AT_ONCE = 200;

/**
 * Windows have begun or ended: what fires is silenced by those that are now, and notified if that is news and none
 * silences it any more. A few at a time; `rest` lets others go first.
 */
export async function applyWindows(context: Context, rest: () => Promise<void>): Promise<void> {
  let after = 0;
  for (;;) {
    const rows = await firingAlarms(context.db.read, { after, limit: AT_ONCE });
    const changed = rows.filter((row) => silenceOf(context, row) !== bodyOf(row).silenced_by);
    if (changed.length > 0)
      await write(
        context,
        changed.map(({ fingerprint }) => fingerprint),
      );
    const last = rows.at(-1);
    if (!last || rows.length < AT_ONCE) return;
    after = last.position;
    await rest();
  }
}

function silenceOf(context: Context, row: StoredAlarm): string | null {
  const node = row.node_id === null ? null : { id: row.node_id, name: row.node_name ?? "" };
  // Written from an AlarmKind only.
  const { labels, says } = bodyOf(row);
  return silencedBy(context.windows(), { kind: row.kind as Problem["kind"], node, labels, says });
}

const write = (context: Context, fingerprints: string[]): Promise<void> =>
  context.db.write(async (tx) => {
    const { db, world } = context;
    const now = world.now().toISOString();
    await lockAlarms(tx);
    const drafts: Drafts = { rows: [], dropped: [] };
    for (const fingerprint of fingerprints) {
      const found = await openAlarm(tx, fingerprint);
      if (found?.state !== "firing") continue;
      const { position: _, ...row } = found;
      const body = bodyOf(row);
      const silenced_by = silenceOf(context, row);
      if (silenced_by === body.silenced_by) continue;
      const notify = silenced_by === null && isNews(row.severity, body.notified);
      const next = { ...body, silenced_by, notified: notify ? row.severity : body.notified };
      drafts.rows.push({ row: { ...row, body: JSON.stringify(next) }, notify });
    }
    await commit(tx, drafts, { epoch: db.epoch, now, targets: context.targets });
  });
