import { and, desc, eq, isNull, lt, notInArray, or, sql } from "drizzle-orm";
import type { Operation, OperationChild, OperationStatus, OperationSummary } from "../../contract/operation.ts";
import type { Reader, Writer } from "../connection.ts";
import { textOf } from "../prepared.ts";
import type { OperationRow, Tables } from "../schema/tables.ts";

/** What was asked for: enough to go on after a restart, and once it has ended what is not in its children any more. */
export interface OperationRequest {
  /** Two of one kind and scope are one operation. */
  scope: string;
  /** Of each child, in their order; none once it has ended. */
  keys: string[];
  summary?: OperationSummary | undefined;
}

const requestOf = ({ request }: Pick<OperationRow, "request">): OperationRequest | null =>
  request === null ? null : (JSON.parse(request) as OperationRequest); // written by saveOperation only

export const toOperation = (row: OperationRow): Operation => {
  const summary = requestOf(row)?.summary;
  return {
    uuid: row.uuid,
    kind: row.kind,
    // `saveOperation` alone writes these two: what is read here was typed there.
    status: row.status as OperationStatus,
    started_at: row.started_at,
    finished_at: row.finished_at,
    children: JSON.parse(row.children) as OperationChild[],
    ...(summary ? { summary } : {}),
  };
};

const requestText = ({ scope, ...rest }: OperationRequest) => JSON.stringify({ scope, ...rest });

const isOwners = ({ operations }: Tables, owner: string | null) =>
  owner === null ? isNull(operations.owner) : eq(operations.owner, owner);

/** Stores an operation as it stands. False: another conductor goes on with it, and nothing was written. */
export async function saveOperation(
  w: Writer,
  operation: Operation,
  { owner = null, request }: { owner?: string | null; request?: OperationRequest | undefined } = {},
): Promise<boolean> {
  const { uuid, kind, status, started_at, finished_at } = operation;
  const stands = {
    ...{ status, finished_at, children: JSON.stringify(operation.children) },
    // The scope first: see `runningOperation`.
    ...(request ? { request: requestText(request) } : {}),
  };
  const updated = await w.query((db, tables) =>
    db
      .update(tables.operations)
      .set(stands)
      .where(and(eq(tables.operations.uuid, uuid), isOwners(tables, owner)))
      .returning({ uuid: tables.operations.uuid }),
  );
  if (updated.length > 0) return true;
  const added = await w.query((db, { operations }) =>
    db
      .insert(operations)
      .values({ uuid, kind, started_at, owner, ...stands })
      .onConflictDoNothing()
      .returning({ uuid: operations.uuid }),
  );
  return added.length > 0;
}

export async function getOperation(r: Reader, uuid: string): Promise<Operation | null> {
  const [row] = await r.query((db, { operations }) => db.select().from(operations).where(eq(operations.uuid, uuid)));
  return row ? toOperation(row) : null;
}

export interface OperationFilter {
  status?: OperationStatus;
  kind?: string;
}

export interface OperationPlace {
  started_at: string;
  uuid: string;
}

/** Newest first; `before` is the last one of the page before. */
export async function listOperations(
  r: Reader,
  { status, kind, before }: OperationFilter & { before?: OperationPlace | undefined },
  limit: number,
): Promise<Operation[]> {
  const rows = await r.query((db, { operations: o }) =>
    db
      .select()
      .from(o)
      .where(
        and(
          status === undefined ? undefined : eq(o.status, status),
          kind === undefined ? undefined : eq(o.kind, kind),
          before &&
            or(lt(o.started_at, before.started_at), and(eq(o.started_at, before.started_at), lt(o.uuid, before.uuid))),
        ),
      )
      .orderBy(desc(o.started_at), desc(o.uuid))
      .limit(limit),
  );
  return rows.map(toOperation);
}

/** Has whoever else calls this wait until the end of the transaction: of two that look and begin the second one sees the first. */
export async function takeTurns(w: Writer): Promise<void> {
  // A row that is always there, and that nobody else writes.
  const text = textOf(w, "takeTurns", (_, { meta }) =>
    w.builder
      .update(meta)
      .set({ value: sql`${meta.value}` })
      .where(eq(meta.key, "epoch")),
  );
  await w.run(text, ["epoch"]);
}

/** One of this kind and scope that some conductor carries out; null: none. */
export async function runningOperation(r: Reader, kind: string, scope: string): Promise<Operation | null> {
  const beginning = `{"scope":${JSON.stringify(scope)},`;
  // Of characters, as the databases count them: not of halves of them.
  const length = [...beginning].length;
  const [row] = await r.query((db, { operations }) =>
    db
      .select()
      .from(operations)
      .where(
        and(
          eq(operations.kind, kind),
          eq(operations.status, "IN-PROGRESS"),
          sql`substr(${operations.request}, 1, CAST(${length} AS integer)) = ${beginning}`,
        ),
      )
      .limit(1),
  );
  return row ? toOperation(row) : null;
}

/** An operation that nobody carries out, with what was asked for. */
export interface Interrupted {
  operation: Operation;
  owner: string | null;
  request: OperationRequest | null;
}

/** What a conductor that ended has left: its own of an earlier run, and of those that are no conductors any more. */
export async function interrupted(r: Reader, own: string, { unowned }: { unowned: boolean }): Promise<Interrupted[]> {
  const rows = await r.query((db, { operations, conductors }) => {
    const known = db.select({ id: conductors.id }).from(conductors);
    const theirs = or(eq(operations.owner, own), notInArray(operations.owner, known));
    return db
      .select()
      .from(operations)
      .where(and(eq(operations.status, "IN-PROGRESS"), unowned ? or(theirs, isNull(operations.owner)) : theirs));
  });
  return rows.map((row) => ({ operation: toOperation(row), owner: row.owner, request: requestOf(row) }));
}

/** Makes an operation this conductor's; false: another one was first. */
export async function takeOperation(w: Writer, { operation, owner }: Interrupted, own: string): Promise<boolean> {
  const taken = await w.query((db, tables) =>
    db
      .update(tables.operations)
      .set({ owner: own })
      .where(
        and(
          eq(tables.operations.uuid, operation.uuid),
          isOwners(tables, owner),
          eq(tables.operations.status, "IN-PROGRESS"),
        ),
      )
      .returning({ uuid: tables.operations.uuid }),
  );
  return taken.length === 1;
}

/** An operation that cannot be gone on with, as it is told of then. */
export const failedOperation = (operation: Operation, now: Date): Operation => ({
  ...operation,
  status: "FAILED",
  finished_at: now.toISOString(),
  children: operation.children.map((child) =>
    child.status === "IN-PROGRESS" ? { ...child, status: "FAILED", error: "the conductor restarted" } : child,
  ),
});
