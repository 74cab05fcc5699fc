import { drizzle as postgresDrizzle } from "drizzle-orm/pg-proxy";
import { drizzle as sqliteDrizzle } from "drizzle-orm/sqlite-proxy";
import { type Connection, createWriter, type Drizzle, type Value } from "../../src/db/connection.ts";
import type { Database, Writer } from "../../src/db/database.ts";

/** A database of which is known what it was asked. */
export interface Counted {
  db: Database;
  /** Each statement's text since `forget`, in the order in which they came; "BEGIN" for each transaction. */
  statements: string[];
}

const adapt = {
  sqlite: ({ run }: Connection): Drizzle =>
    sqliteDrizzle(async (text, params: Value[], method) => {
      const rows = await run(text, params);
      return { rows: method === "get" ? (rows[0] as unknown[]) : rows };
    }),
  postgres: ({ run }: Connection): Drizzle =>
    postgresDrizzle(async (text, params: Value[]) => ({ rows: await run(text, params) })) as unknown as Drizzle,
};

/** What passes through this one is written down, and passed on. */
export function counted(db: Database): Counted {
  const statements: string[] = [];
  const wrap = (inner: Pick<Writer, "dialect" | "tables" | "run">): Writer => {
    const run = (text: string, params: Value[]) => {
      statements.push(text);
      return inner.run(text, params);
    };
    return createWriter(inner.dialect, { run }, inner.tables, adapt[inner.dialect]);
  };
  const read = wrap(db.read);
  return {
    statements,
    db: {
      ...db,
      read,
      revision: () => db.revision(),
      watch: (wake) => db.watch(wake),
      close: () => db.close(),
      write: (work) =>
        db.write((tx) => {
          statements.push("BEGIN");
          return work(wrap(tx));
        }),
    },
  };
}
