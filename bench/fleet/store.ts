import { count, eq } from "drizzle-orm";
import { openDatabase } from "../../src/db/database.ts";
import { setKey } from "../../src/db/queries/keys.ts";
import { saveNode } from "../../src/db/queries/nodes.ts";
import { idOf } from "./device.ts";

/** The conductor's database, as somebody beside it sees it. */
export interface Store {
  /** Nodes that have joined with these keys and were not heard yet. */
  join(thumbprints: readonly string[]): Promise<void>;
  devices(): Promise<number>;
  /** How often a node was said to be LOST, or is. */
  lost(): Promise<number>;
  /** The conductor that a node belongs to, and how many belong to one. */
  ownerOf(index: number): Promise<string>;
  owned(owner: string): Promise<number>;
  /** Rows written by table since the last call, the first of which begins to count. */
  written(): Promise<Record<string, number>>;
  close(): Promise<void>;
}

export async function openStore(url: string): Promise<Store> {
  const db = await openDatabase(url);
  const ask = async (text: string): Promise<unknown[][]> => db.write((tx) => tx.run(text, []));
  let before: Record<string, number> | null = null;

  /** SQLite counts nothing by itself: a trigger on each table does, while somebody looks. */
  async function countOnSqlite(): Promise<Record<string, number>> {
    const tables = (await ask("SELECT name FROM sqlite_master WHERE type = 'table'"))
      .map(([name]) => String(name))
      .filter((name) => !/^(sqlite_|__|bench_)/.test(name));
    if (!before) {
      await ask("CREATE TABLE bench_written (name text PRIMARY KEY, rows integer NOT NULL)");
      for (const name of tables) {
        await ask(`INSERT INTO bench_written VALUES ('${name}', 0)`);
        for (const verb of ["INSERT", "UPDATE", "DELETE"])
          await ask(
            `CREATE TRIGGER bench_${name}_${verb} AFTER ${verb} ON "${name}" BEGIN UPDATE bench_written SET rows = rows + 1 WHERE name = '${name}'; END`,
          );
      }
      return {};
    }
    const rows = await ask("SELECT name, rows FROM bench_written WHERE rows > 0");
    for (const name of tables)
      for (const verb of ["INSERT", "UPDATE", "DELETE"]) await ask(`DROP TRIGGER bench_${name}_${verb}`);
    await ask("DROP TABLE bench_written");
    return Object.fromEntries(rows.map(([name, count]) => [String(name), Number(count)]));
  }

  async function countOnPostgres(): Promise<Record<string, number>> {
    await ask("SELECT pg_stat_clear_snapshot()");
    const rows = await ask("SELECT relname, n_tup_ins + n_tup_upd + n_tup_del FROM pg_stat_user_tables");
    return Object.fromEntries(rows.map(([name, count]) => [String(name), Number(count)]));
  }

  return {
    async join(thumbprints) {
      const now = new Date().toISOString();
      for (let start = 0; start < thumbprints.length; start += 500) {
        await db.write(async (tx) => {
          for (const [at, key] of thumbprints.slice(start, start + 500).entries()) {
            const index = start + at;
            const row = { id: idOf(index), name: `compute-${index}`, state: "EXPECTED", labels: "{}", endpoint: null };
            const rest = { last_seen: null, api: null, generation: null, boot_id: null, first_seen: now };
            await saveNode(tx, { ...row, ...rest, key: null, conditions: null, reported: null, revision: 0 });
            await setKey(tx, row.id, null, key);
          }
        });
      }
    },
    async devices() {
      const [row] = await db.read.query((q, { hardware }) => q.select({ count: count() }).from(hardware));
      return row?.count ?? 0;
    },
    async lost() {
      const [row] = await db.read.query((q, { changes }) =>
        q.select({ count: count() }).from(changes).where(eq(changes.state, "LOST")),
      );
      return row?.count ?? 0;
    },
    async ownerOf(index) {
      const [row] = await db.read.query((q, { nodes }) =>
        q
          .select({ owner: nodes.owner })
          .from(nodes)
          .where(eq(nodes.id, idOf(index))),
      );
      return row?.owner ?? "";
    },
    async owned(owner) {
      const [row] = await db.read.query((q, { nodes }) =>
        q.select({ count: count() }).from(nodes).where(eq(nodes.owner, owner)),
      );
      return row?.count ?? 0;
    },
    async written() {
      if (db.dialect === "sqlite") {
        const counted = await countOnSqlite();
        before = before ? null : {};
        return counted;
      }
      const now = await countOnPostgres();
      const since = before ?? {};
      before = before ? null : now;
      return Object.fromEntries(
        Object.entries(now)
          .map(([name, count]) => [name, count - (since[name] ?? 0)] as const)
          .filter(([, count]) => count > 0),
      );
    },
    close: () => db.close(),
  };
}
