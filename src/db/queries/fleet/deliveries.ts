import { and, asc, count, desc, eq, inArray, isNull, lte, or } from "drizzle-orm";
import { insert } from "../../bulk.ts";
import type { Reader, Writer } from "../../connection.ts";
import type { DeliveryRow } from "../../schema/tables.ts";

export type { DeliveryRow } from "../../schema/tables.ts";

export const addDeliveries = (w: Writer, rows: Omit<DeliveryRow, "id">[]): Promise<void> =>
  insert(w, w.tables.deliveries, rows);

/** What is to be told first at a target; null: nothing. */
export async function nextDelivery(r: Reader, target: string): Promise<DeliveryRow | null> {
  const [row] = await r.query((db, { deliveries: d }) =>
    db.select().from(d).where(eq(d.target, target)).orderBy(asc(d.id)).limit(1),
  );
  return row ?? null;
}

/** Takes a delivery for one teller; false: another one has it, or it is done. `gone`: whose claim counts no longer. */
export async function claimDelivery(w: Writer, id: number, own: string, gone: string | null): Promise<boolean> {
  const set = await w.query((db, { deliveries: d }) =>
    db
      .update(d)
      .set({ claimed_by: own })
      .where(
        and(
          eq(d.id, id),
          or(isNull(d.claimed_by), eq(d.claimed_by, own), gone === null ? undefined : eq(d.claimed_by, gone)),
        ),
      )
      .returning({ id: d.id }),
  );
  return set.length === 1;
}

/** Writes down that telling it failed. */
export const failDelivery = async (w: Writer, id: number, attempts: number, error: string): Promise<void> => {
  await w.query((db, { deliveries: d }) => db.update(d).set({ attempts, error }).where(eq(d.id, id)));
};

export const deleteDelivery = async (w: Writer, id: number): Promise<void> => {
  await w.query((db, { deliveries: d }) => db.delete(d).where(eq(d.id, id)));
};

/** Gives back what one teller has taken. */
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
