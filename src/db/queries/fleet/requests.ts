import { and, asc, eq, inArray, isNotNull, isNull } from "drizzle-orm";
import type { Reader, Writer } from "../../connection.ts";
import { chunked, padded, rowsOf, textOf } from "../../prepared.ts";
import type { RequestRow } from "../../schema/tables.ts";

export type { RequestRow } from "../../schema/tables.ts";

/** What a conductor asks of one that has a node. */
export type NewRequest = Omit<RequestRow, "response">;

export const addRequest = async (w: Writer, row: NewRequest): Promise<void> => {
  await w.query((db, { requests }) => db.insert(requests).values(row));
};

/** What this conductor is asked and has not answered, about in the order in which it was asked. */
export async function requestsTo(r: Reader, owner: string, limit: number): Promise<{ id: string; kind: string }[]> {
  const text = textOf(r, "requestsTo", (db, { requests }) =>
    db
      .select({ id: requests.id, kind: requests.kind })
      .from(requests)
      .where(and(eq(requests.owner, owner), isNull(requests.response)))
      .orderBy(asc(requests.created_at), asc(requests.id))
      .limit(limit),
  );
  return ((await r.run(text, [owner, limit])) as [string, string][]).map(([id, kind]) => ({ id, kind }));
}

/** A request that has no answer; null: it has one, or nobody waits for one any more. */
export async function openRequest(r: Reader, id: string): Promise<RequestRow | null> {
  const text = textOf(r, "openRequest", (db, { requests }) =>
    db
      .select()
      .from(requests)
      .where(and(eq(requests.id, id), isNull(requests.response))),
  );
  const [row] = rowsOf(r.tables.requests, await r.run(text, [id]));
  return row ?? null;
}

/** What has been answered of what this conductor asked: an answer may be megabytes, so no more than which ones. */
export async function answersTo(r: Reader, asker: string, limit: number): Promise<string[]> {
  const text = textOf(r, "answersTo", (db, { requests }) =>
    db
      .select({ id: requests.id })
      .from(requests)
      .where(and(eq(requests.asker, asker), isNotNull(requests.response)))
      .limit(limit),
  );
  return ((await r.run(text, [asker, limit])) as [string][]).map(([id]) => id);
}

export async function answerOf(r: Reader, id: string): Promise<string | null> {
  const text = textOf(r, "answerOf", (db, { requests }) =>
    db.select({ response: requests.response }).from(requests).where(eq(requests.id, id)),
  );
  const [row] = (await r.run(text, [id])) as [string | null][];
  return row?.[0] ?? null;
}

/** Of one that nobody waits for any more there is no row. */
export const answerRequest = async (w: Writer, id: string, response: string): Promise<void> => {
  await w.query((db, { requests }) => db.update(requests).set({ response }).where(eq(requests.id, id)));
};

export const dropRequests = async (w: Writer, ids: string[]): Promise<void> => {
  await chunked(ids, (some) => {
    const keys = padded(some);
    const text = textOf(w, `dropRequests ${keys.length}`, (_, { requests }) =>
      w.builder.delete(requests).where(inArray(requests.id, keys)),
    );
    return w.run(text, keys);
  });
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
