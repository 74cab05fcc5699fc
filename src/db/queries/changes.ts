import { and, asc, desc, eq, gt, lte, or, sql } from "drizzle-orm";
import type { Change } from "../../contract/change.ts";
import type { Cordon, GivenChange } from "../../contract/fleet/given.ts";
import { insert, upsert } from "../bulk.ts";
import type { Reader, Writer } from "../connection.ts";
import { rowsOf, textOf } from "../prepared.ts";
import type { ChangeRow } from "../schema/tables.ts";

export type { ChangeRow } from "../schema/tables.ts";

/** A row as the contract's Change JSON: the one way out. The device passes as it was written. */
export function changeText(row: ChangeRow): string {
  // `appendChanges` is given typed changes: kind and state are of the contract's words.
  const change: Omit<Change, "hardware" | "sources" | "alarm" | "cordoned" | "given"> = {
    revision: row.revision,
    time: row.time,
    kind: row.kind as Change["kind"],
    node: { id: row.node_id, name: row.node_name },
    source: row.source,
    uuid: row.uuid,
    state: row.state as Change["state"],
  };
  const body = row.body ?? "null";
  return `${JSON.stringify(change).slice(0, -1)},${partsOf(row.kind, body)}}`;
}

/** What an operator did is told so: nothing else begins like this. */
const CORDONED = '{"cordoned":';

/** The body of a change that tells what an operator did about a node, or with its Hardware JSON a device. */
export const givenBody = (cordoned: Cordon | null, given: GivenChange, hardware: string | null): string =>
  `${CORDONED}${JSON.stringify(cordoned)},"given":${JSON.stringify(given)},"hardware":${hardware}}`;

/** The body of a change that tells who had something forgotten. */
export const forgottenBody = (by: string): string => `{"given":${JSON.stringify({ by })},"hardware":null}`;

function partsOf(kind: string, body: string): string {
  // An older Sinew wrote none.
  if (kind === "forgotten" && body !== "null") return `"sources":null,${body.slice(1, -1)}`;
  if (body.startsWith(CORDONED)) return `"sources":null,${body.slice(1, -1)}`;
  if (kind === "state") return `"sources":${body},"hardware":null`;
  if (kind === "alarm") return `"sources":null,"hardware":null,"alarm":${body}`;
  return `"sources":null,"hardware":${body}`;
}

export const toChange = (row: ChangeRow): Change => JSON.parse(changeText(row)) as Change;

/**
 * Takes `n` consecutive revisions and resolves to the first. Call it as late as the transaction allows.
 *
 * Order of revisions must be order of commits, or a reader of the feed passes over the one that commits late. On SQLite
 * writers take turns anyway. On PostgreSQL this UPDATE locks its row until the commit is visible, so the next writer's
 * numbers come after it; a sequence would not wait (2.6 % of changes lost with 8 writers). A rollback gives numbers back.
 */
export async function reserveRevisions(w: Writer, n: number): Promise<number> {
  const text = textOf(w, "reserveRevisions", (_, { meta }) =>
    w.builder
      .update(meta)
      .set({ value: sql`CAST(CAST(${meta.value} AS bigint) + CAST(${n} AS bigint) AS text)` })
      .where(eq(meta.key, "revision"))
      .returning({ value: meta.value }),
  );
  const [row] = await w.run(text, [n, "revision"]);
  if (!row) throw new Error("the database has no revision: its table meta has been tampered with");
  return Number(row[0]) - n + 1;
}

export const appendChanges = (w: Writer, rows: ChangeRow[]): Promise<void> => insert(w, w.tables.changes, rows);

/** Changes after `since`, oldest first. Of those that retention has forgotten nothing tells here: see `keptAfter`. */
export async function changesSince(r: Reader, since: number, limit: number): Promise<ChangeRow[]> {
  const text = textOf(r, "changesSince", (db, { changes }) =>
    db.select().from(changes).where(gt(changes.revision, 0)).orderBy(asc(changes.revision)).limit(1),
  );
  return rowsOf(r.tables.changes, await r.run(text, [since, limit]));
}

/** What of the log is asked for; nothing: all of it. */
export interface ChangeFilter {
  /** A node's id, or a name that it had then. */
  node?: string | undefined;
  uuid?: string | undefined;
  kind?: Change["kind"] | undefined;
}

/** Whether a change is asked for: `changesBetween` says the same in SQL. */
export const isWanted = (
  { node, uuid, kind }: ChangeFilter,
  row: Pick<ChangeRow, "node_id" | "node_name" | "uuid" | "kind">,
): boolean =>
  (node === undefined || row.node_id === node.toLowerCase() || row.node_name === node) &&
  (uuid === undefined || row.uuid === uuid.toLowerCase()) &&
  (kind === undefined || row.kind === kind);

/** Changes after one revision, up to another. No index helps with a filter: whoever calls this keeps the two near each other. */
export const changesBetween = (
  r: Reader,
  { node, uuid, kind }: ChangeFilter,
  { after, upTo, limit, order }: { after: number; upTo: number; limit: number; order: "asc" | "desc" },
): Promise<ChangeRow[]> =>
  r.query((db, { changes: c }) =>
    db
      .select()
      .from(c)
      .where(
        and(
          gt(c.revision, after),
          lte(c.revision, upTo),
          node === undefined ? undefined : or(eq(c.node_id, node.toLowerCase()), eq(c.node_name, node)),
          uuid === undefined ? undefined : eq(c.uuid, uuid.toLowerCase()),
          kind === undefined ? undefined : eq(c.kind, kind),
        ),
      )
      .orderBy(order === "asc" ? asc(c.revision) : desc(c.revision))
      .limit(limit),
  );

/** The newest revision. */
export const currentRevision = (r: Reader): Promise<number> => revisionIn(r, "revision");

/** The newest revision that retention has forgotten: the feed goes back to it and no further. Read it after the changes. */
export const keptAfter = (r: Reader): Promise<number> => revisionIn(r, "kept_after");

/** Makes another history of it: a position in the one before is 410 from the next start of its conductors on. */
export const setEpoch = (w: Writer, epoch: string): Promise<void> => setMeta(w, "epoch", epoch);

/** The newest revision at which a source became another one to its readers. */
export const sourcesRevision = (r: Reader): Promise<number> => revisionIn(r, "sources");

/** Notes that sources have changed. After `reserveRevisions`, so that two writers take the rows in one order. */
export const markSources = (w: Writer, revision: number): Promise<void> => setMeta(w, "sources", String(revision));

const revisionIn = async (r: Reader, key: "revision" | "kept_after" | "sources"): Promise<number> =>
  Number((await metaOf(r, key)) ?? 0);

export const setMeta = (w: Writer, key: string, value: string): Promise<void> =>
  upsert(w, w.tables.meta, ["key"], [{ key, value }]);

/** What the database says of itself under this key; null: nothing. */
export async function metaOf(r: Reader, key: string): Promise<string | null> {
  const text = textOf(r, "meta", (db, { meta }) =>
    db.select({ value: meta.value }).from(meta).where(eq(meta.key, key)),
  );
  const [row] = (await r.run(text, [key])) as [string][];
  return row?.[0] ?? null;
}
