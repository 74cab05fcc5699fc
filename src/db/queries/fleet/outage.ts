import { and, asc, count, eq, inArray, isNotNull, not, notInArray } from "drizzle-orm";
import type { Reader } from "../../connection.ts";
import type { Tables } from "../../schema/tables.ts";
import { cordonedOnes } from "./given.ts";

/** How many nodes could be lost: all but those that left, or were never there. */
export async function countPresent(r: Reader): Promise<number> {
  const [row] = await r.query((db, { nodes }) =>
    db
      .select({ count: count() })
      .from(nodes)
      .where(not(inArray(nodes.state, ["LEFT", "EXPECTED"]))),
  );
  return row?.count ?? 0;
}

/** Nodes that are LOST without an alarm of their own, or with one that does not count, and some of them. */
export async function lostTogether(
  r: Reader,
  limit: number,
  but: string[] = [],
): Promise<{ total: number; nodes: { id: string; name: string }[] }> {
  const fired = await r.query((db, { alarms }) =>
    db
      .select({ id: alarms.node_id })
      .from(alarms)
      .where(and(eq(alarms.state, "firing"), eq(alarms.kind, "agent.lost"), isNotNull(alarms.node_id))),
  );
  const passed = new Set<string | null>(but);
  const own = fired.filter(({ id }) => !passed.has(id));
  // Those out of service are nobody's trouble.
  const isLost = (db: Reader["builder"], tables: Tables) =>
    and(eq(tables.nodes.state, "LOST"), notInArray(tables.nodes.id, cordonedOnes(db, tables, "node")));
  const [row] = await r.query((db, tables) =>
    db.select({ count: count() }).from(tables.nodes).where(isLost(db, tables)),
  );
  const first = await r.query((db, tables) =>
    db
      .select({ id: tables.nodes.id, name: tables.nodes.name })
      .from(tables.nodes)
      .where(isLost(db, tables))
      .orderBy(asc(tables.nodes.id))
      .limit(limit + own.length),
  );
  const alone = new Set(own.map(({ id }) => id));
  return {
    total: Math.max(0, (row?.count ?? 0) - own.length),
    nodes: first.filter(({ id }) => !alone.has(id)).slice(0, limit),
  };
}
