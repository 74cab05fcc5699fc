import { desc, lt } from "drizzle-orm";
import type { AuditEntry } from "../../contract/access/audit.ts";
import { insert } from "../bulk.ts";
import type { Database } from "../connection.ts";
import type { AuditRow } from "../schema/tables.ts";

const toEntry = ({ id: _, ...row }: AuditRow): AuditEntry => ({ ...row, kind: row.kind as AuditEntry["kind"] }); // written from an AuditEntry only

export const appendAudit = (db: Database, entries: AuditEntry[]): Promise<void> =>
  db.write((tx) => insert(tx, tx.tables.audit, entries));

/** Newest first; `before` is the position of a page's last entry. */
export async function listAudit(
  db: Database,
  { before, limit }: { before: number | undefined; limit: number },
): Promise<{ entries: AuditEntry[]; last: number | null }> {
  const rows = await db.read.query((q, { audit }) =>
    q
      .select()
      .from(audit)
      .where(before === undefined ? undefined : lt(audit.id, before))
      .orderBy(desc(audit.id))
      .limit(limit),
  );
  return { entries: rows.map(toEntry), last: rows.at(-1)?.id ?? null };
}
