import { and, asc, count, eq, lte, ne, sql } from "drizzle-orm";
import type { Reader, Writer } from "../connection.ts";

/** What is kept for so long and no longer. */
export type Kept = "changes" | "operations" | "alarms" | "audit";

/** The oldest of one kind, with the number or text that orders them. */
export type Oldest = { key: number | string; time: string }[];

/** Operations under way and alarms that fire are not counted, and never forgotten. */
export function oldestOf(r: Reader, kind: Kept, limit: number): Promise<Oldest> {
  return r.query(async (db, { changes, operations, alarms, audit }) => {
    switch (kind) {
      case "changes":
        return db
          .select({ key: changes.revision, time: changes.time })
          .from(changes)
          .orderBy(asc(changes.revision))
          .limit(limit);
      case "operations":
        return db
          .select({ key: operations.started_at, time: operations.started_at })
          .from(operations)
          .where(ne(operations.status, "IN-PROGRESS"))
          .orderBy(asc(operations.started_at))
          .limit(limit);
      case "alarms":
        return (
          await db
            .select({ key: alarms.position, time: alarms.resolved_at, since: alarms.since })
            .from(alarms)
            .where(eq(alarms.state, "resolved"))
            .orderBy(asc(alarms.position))
            .limit(limit)
        ).map(({ key, time, since }) => ({ key, time: time ?? since }));
      case "audit":
        return db.select({ key: audit.id, time: audit.time }).from(audit).orderBy(asc(audit.id)).limit(limit);
    }
  });
}

/** How many there are, of changes about: revisions that were taken back leave holes. */
export async function countOf(r: Reader, kind: Kept): Promise<number> {
  const rows = await r.query(async (db, { changes, operations, alarms, audit, meta }) => {
    switch (kind) {
      case "changes": {
        // Each by itself is the end of an index; both of one statement are a scan of it all on SQLite.
        const end = (which: "MAX" | "MIN") => sql`(SELECT ${sql.raw(which)}(${changes.revision}) FROM ${changes})`;
        const span = sql<string>`COALESCE(${end("MAX")} - ${end("MIN")} + 1, 0)`;
        return db.select({ count: span }).from(meta).limit(1);
      }
      case "operations":
        return db.select({ count: count() }).from(operations).where(ne(operations.status, "IN-PROGRESS"));
      case "alarms":
        return db.select({ count: count() }).from(alarms).where(eq(alarms.state, "resolved"));
      case "audit":
        return db.select({ count: count() }).from(audit);
    }
  });
  return Number(rows[0]?.count ?? 0);
}

/** Forgets one kind up to a key. Of changes it is noted how far, with the same commit: a reader would pass over them else. */
export async function forget(w: Writer, kind: Kept, upTo: number | string): Promise<void> {
  await w.query(async (db, { changes, operations, alarms, audit }) => {
    switch (kind) {
      case "changes":
        return db.delete(changes).where(lte(changes.revision, Number(upTo)));
      case "operations":
        return db
          .delete(operations)
          .where(and(lte(operations.started_at, String(upTo)), ne(operations.status, "IN-PROGRESS")));
      case "alarms":
        return db.delete(alarms).where(and(lte(alarms.position, Number(upTo)), eq(alarms.state, "resolved")));
      case "audit":
        return db.delete(audit).where(lte(audit.id, Number(upTo)));
    }
  });
  if (kind === "changes") await keptAfter(w, Number(upTo));
}

/** Only ever raised, whoever forgets at the same time. */
const keptAfter = (w: Writer, revision: number) =>
  w.query((db, { meta }) =>
    db
      .insert(meta)
      .values({ key: "kept_after", value: String(revision) })
      .onConflictDoUpdate({
        target: meta.key,
        set: { value: String(revision) },
        setWhere: sql`CAST(${meta.value} AS bigint) < ${revision}`,
      }),
  );
