import { and, desc, eq, lt, ne, sql } from "drizzle-orm";
import type { Operation, OperationChild, OperationStatus } from "../../contract/operation.ts";
import { upsert } from "../bulk.ts";
import type { Reader, Writer } from "../connection.ts";
import type { OperationRow } from "../schema/tables.ts";

const KEPT = 1_000;

export const toOperation = (row: OperationRow): Operation => ({
  uuid: row.uuid,
  kind: row.kind,
  // `saveOperation` alone writes these two: what is read here was typed there.
  status: row.status as OperationStatus,
  started_at: row.started_at,
  finished_at: row.finished_at,
  children: JSON.parse(row.children) as OperationChild[],
});

export const saveOperation = (w: Writer, operation: Operation): Promise<void> =>
  upsert(
    w,
    w.tables.operations,
    ["uuid"],
    [{ ...operation, children: JSON.stringify(operation.children), owner: null, request: null }],
  );

export async function getOperation(r: Reader, uuid: string): Promise<Operation | null> {
  const [row] = await r.query((db, { operations }) => db.select().from(operations).where(eq(operations.uuid, uuid)));
  return row ? toOperation(row) : null;
}

/** Ends what a restart cut off, so that nobody waits for it for ever, and forgets all but the newest 1,000. */
export async function failInterrupted(w: Writer, now: Date): Promise<void> {
  const running = await w.query((db, { operations }) =>
    db.select().from(operations).where(eq(operations.status, "IN-PROGRESS")),
  );
  for (const operation of running.map(toOperation)) {
    await saveOperation(w, {
      ...operation,
      status: "FAILED",
      finished_at: now.toISOString(),
      children: operation.children.map((child) =>
        child.status === "IN-PROGRESS" ? { ...child, status: "FAILED", error: "the conductor restarted" } : child,
      ),
    });
  }
  await pruneOperations(w);
}

async function pruneOperations(w: Writer): Promise<void> {
  await w.query((db, { operations }) => {
    const oldestKept = db
      .select({ started_at: operations.started_at })
      .from(operations)
      .orderBy(desc(operations.started_at))
      .limit(1)
      .offset(KEPT - 1);
    return db
      .delete(operations)
      .where(and(lt(operations.started_at, sql`(${oldestKept})`), ne(operations.status, "IN-PROGRESS")));
  });
}
