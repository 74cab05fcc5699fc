import { and, asc, eq, inArray, isNotNull, isNull } from "drizzle-orm";
import type { Reader, Writer } from "../../connection.ts";
import { rowsOf, textOf } from "../../prepared.ts";
import type { RequestRow } from "../../schema/tables.ts";

export type { RequestRow } from "../../schema/tables.ts";

/** What a conductor asks of one that has a node. */
export type NewRequest = Omit<RequestRow, "response">;

export const addRequest = async (w: Writer, row: NewRequest): Promise<void> => {
  await w.query((db, { requests }) => db.insert(requests).values(row));
};

/** What this conductor is asked and has not answered. */
export async function requestsTo(r: Reader, owner: string, limit: number): Promise<RequestRow[]> {
  const text = textOf(r, "requestsTo", (db, { requests }) =>
    db
      .select()
      .from(requests)
      .where(and(eq(requests.owner, owner), isNull(requests.response)))
      .orderBy(asc(requests.id))
      .limit(limit),
  );
  return rowsOf(r.tables.requests, await r.run(text, [owner, limit]));
}

/** What has been answered of what this conductor asked. */
export async function answersTo(r: Reader, asker: string): Promise<{ id: string; response: string }[]> {
  const text = textOf(r, "answersTo", (db, { requests }) =>
    db
      .select({ id: requests.id, response: requests.response })
      .from(requests)
      .where(and(eq(requests.asker, asker), isNotNull(requests.response))),
  );
  return ((await r.run(text, [asker])) as [string, string][]).map(([id, response]) => ({ id, response }));
}

/** Of one that nobody waits for any more there is no row. */
export const answerRequest = async (w: Writer, id: string, response: string): Promise<void> => {
  await w.query((db, { requests }) => db.update(requests).set({ response }).where(eq(requests.id, id)));
};

export const dropRequests = async (w: Writer, ids: string[]): Promise<void> => {
  await w.query((db, { requests }) => db.delete(requests).where(inArray(requests.id, ids)));
};

/**
 * Ends what a run of a conductor leaves behind: nobody waits for what it asked, and of what it was asked nobody knows how much
 * it has done, so that `response` says so rather than that it is done again.
 */
export async function endRequestsOf(w: Writer, conductor: string, response: string): Promise<void> {
  await w.query((db, { requests }) => db.delete(requests).where(eq(requests.asker, conductor)));
  await w.query((db, { requests }) =>
    db
      .update(requests)
      .set({ response })
      .where(and(eq(requests.owner, conductor), isNull(requests.response))),
  );
}
