import { and, asc, count, desc, eq, inArray, isNull, lte, or } from "drizzle-orm";
import { insert } from "../../bulk.ts";
import type { Reader, Writer } from "../../connection.ts";
import { padded } from "../../prepared.ts";
import type { DeliveryRow } from "../../schema/tables.ts";

export type { DeliveryRow } from "../../schema/tables.ts";

export const addDeliveries = (w: Writer, rows: Omit<DeliveryRow, "id">[]): Promise<void> =>
  insert(w, w.tables.deliveries, rows);

/** What a target is to be notified of first, oldest first. */
export const nextDeliveries = (r: Reader, target: string, limit: number): Promise<DeliveryRow[]> =>
  r.query((db, { deliveries: d }) => db.select().from(d).where(eq(d.target, target)).orderBy(asc(d.id)).limit(limit));

/** Takes deliveries for one notifier; the ids of those that it has: others have been taken, or are done. `gone`: whose claims count no longer. */
export async function claimDeliveries(
  w: Writer,
  ids: number[],
  { own, gone }: { own: string; gone: string[] },
): Promise<number[]> {
  const set = await w.query((db, { deliveries: d }) =>
    db
      .update(d)
      .set({ claimed_by: own })
      .where(and(inArray(d.id, padded(ids)), or(isNull(d.claimed_by), inArray(d.claimed_by, padded([own, ...gone])))))
      .returning({ id: d.id }),
  );
  return set.map(({ id }) => id);
}

/** Writes down that sending them failed. */
export const failDeliveries = async (w: Writer, ids: number[], attempts: number, error: string): Promise<void> => {
  await w.query((db, { deliveries: d }) =>
    db
      .update(d)
      .set({ attempts, error })
      .where(inArray(d.id, padded(ids))),
  );
};

export const deleteDeliveries = async (w: Writer, ids: number[]): Promise<void> => {
  await w.query((db, { deliveries: d }) => db.delete(d).where(inArray(d.id, padded(ids))));
};

/** Gives back what one notifier has taken. */
export const releaseDeliveries = async (w: Writer, own: string): Promise<void> => {
  await w.query((db, { deliveries: d }) => db.update(d).set({ claimed_by: null }).where(eq(d.claimed_by, own)));
};

export async function newestDelivery(r: Reader): Promise<number> {
  const [row] = await r.query((db, { deliveries: d }) => db.select({ id: d.id }).from(d).orderBy(desc(d.id)).limit(1));
  return row?.id ?? 0;
}

/** Gives up all up to this one; how many that is, by target. */
export async function dropDeliveries(w: Writer, upTo: number): Promise<Map<string, number>> {
  const dropped = await w.query((db, { deliveries: d }) =>
    db.delete(d).where(lte(d.id, upTo)).returning({ target: d.target }),
  );
  const counts = new Map<string, number>();
  for (const { target } of dropped) counts.set(target, (counts.get(target) ?? 0) + 1);
  return counts;
}

/** How many wait, by target. */
export const waitingDeliveries = (r: Reader, targets: string[]): Promise<{ target: string; count: number }[]> =>
  r.query((db, { deliveries: d }) =>
    db.select({ target: d.target, count: count() }).from(d).where(inArray(d.target, targets)).groupBy(d.target),
  );
