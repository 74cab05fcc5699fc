import { asc, count, gt, max, ne } from "drizzle-orm";
import type { Reader } from "../../connection.ts";

export const nodesByState = (r: Reader): Promise<{ state: string; count: number }[]> =>
  r.query((db, { nodes }) => db.select({ state: nodes.state, count: count() }).from(nodes).groupBy(nodes.state));

export const operationsByStatus = (r: Reader): Promise<{ kind: string; status: string; count: number }[]> =>
  r.query((db, { operations: o }) =>
    db.select({ kind: o.kind, status: o.status, count: count() }).from(o).groupBy(o.kind, o.status),
  );

/** Those that are not resolved. */
export const openAlarms = (r: Reader): Promise<{ kind: string; severity: string; state: string; count: number }[]> =>
  r.query((db, { alarms: a }) =>
    db
      .select({ kind: a.kind, severity: a.severity, state: a.state, count: count() })
      .from(a)
      .where(ne(a.state, "resolved"))
      .groupBy(a.kind, a.severity, a.state),
  );

export interface DeviceCount {
  device_type: string;
  freshness: string;
  ready: boolean;
  trouble: string | null;
  count: number;
}

/** Rows counted at once: no index has all of it, and a row is a kilobyte and more to pass over. */
const AT_ONCE = 4_096;

/** How many devices there are of each sort; `pause` comes between parts, so that it holds up nobody for long. */
export async function countDevices(r: Reader, pause: () => Promise<void>): Promise<DeviceCount[]> {
  const found = new Map<string, DeviceCount>();
  for (let after = 0; ; ) {
    const rows = await r.query((db, { hardware: h }) => {
      const part = db
        .select({ id: h.id, device_type: h.device_type, freshness: h.freshness, ready: h.ready, trouble: h.trouble })
        .from(h)
        .where(gt(h.id, after))
        .orderBy(asc(h.id))
        .limit(AT_ONCE)
        .as("part");
      const { id, device_type, freshness, ready, trouble } = part;
      return db
        .select({ device_type, freshness, ready, trouble, count: count(), last: max(id) })
        .from(part)
        .groupBy(device_type, freshness, ready, trouble);
    });
    for (const { last: _, ...row } of rows) {
      const key = JSON.stringify([row.device_type, row.freshness, row.ready, row.trouble]);
      found.set(key, { ...row, count: row.count + (found.get(key)?.count ?? 0) });
    }
    if (rows.reduce((sum, row) => sum + row.count, 0) < AT_ONCE) return [...found.values()];
    after = Math.max(...rows.map(({ last }) => Number(last)));
    await pause();
  }
}
