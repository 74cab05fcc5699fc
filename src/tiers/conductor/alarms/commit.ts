import type { Database, Writer } from "../../../db/database.ts";
import { appendChanges, reserveRevisions } from "../../../db/queries/changes.ts";
import { deletePending, saveAlarms } from "../../../db/queries/fleet/alarms.ts";
import { addDeliveries } from "../../../db/queries/fleet/deliveries.ts";
import { eventOf } from "../delivery/event.ts";
import { bodyOf, type StoredAlarm, toAlarm } from "./rows.ts";

/** What is written together: alarms as they are to be, and whether each is notified. */
export interface Drafts {
  rows: { row: StoredAlarm; notify: boolean }[];
  /** Ids of those that never fired, and are over. */
  dropped: string[];
}

/**
 * Writes alarms, one `changes` row for each that is more than pending, and what is to be delivered, under revisions that are
 * taken as late as possible.
 */
export async function commit(
  tx: Writer,
  { rows, dropped }: Drafts,
  { epoch, now, targets }: { epoch: Database["epoch"]; now: string; targets: readonly string[] },
): Promise<void> {
  if (rows.length === 0 && dropped.length === 0) return;
  const shown = rows.filter(({ row }) => row.state !== "pending");
  // What is pending is in no feed, but in lists, and those are kept by revision.
  const first = await reserveRevisions(tx, Math.max(1, shown.length));
  for (const [index, { row }] of shown.entries()) row.revision = first + index;
  for (const { row } of rows) if (row.state === "pending") row.revision = first;
  await deletePending(tx, dropped);
  await saveAlarms(
    tx,
    rows.map(({ row }) => row),
  );
  await appendChanges(
    tx,
    shown.map(({ row }) => {
      const { trigger } = bodyOf(row);
      return {
        ...{ revision: row.revision, time: now, kind: "alarm", node_id: trigger.id, node_name: trigger.name },
        ...{ source: row.source, uuid: row.uuid, state: null, body: JSON.stringify(toAlarm(row)) },
      };
    }),
  );
  const news = shown.filter(({ notify }) => notify);
  await addDeliveries(
    tx,
    news.flatMap(({ row }) => {
      const event = JSON.stringify(eventOf(toAlarm(row), { epoch, now, former: bodyOf(row).former }));
      const common = { alarm: row.id, event, attempts: 0, error: null, claimed_by: null, created_at: now };
      return targets.map((target) => ({ target, ...common }));
    }),
  );
}
