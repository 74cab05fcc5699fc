import type { Connection, Value } from "../connection.ts";

/** What bun:sqlite and node:sqlite both have. */
export interface SqliteDriver {
  exec(text: string): void;
  prepare(text: string): (params: Value[]) => unknown[][];
  close(): void;
}

/** Opens the file with the driver of the runtime at hand. */
export async function openDriver(path: string): Promise<SqliteDriver> {
  return typeof Bun === "undefined" ? openNode(path) : openBun(path);
}

async function openBun(path: string): Promise<SqliteDriver> {
  const { Database } = await import("bun:sqlite");
  const db = new Database(path);
  return {
    exec: (text) => db.run(text),
    prepare: (text) => {
      const statement = db.prepare<unknown, Value[]>(text);
      return (params) => statement.values(...params) ?? [];
    },
    close: () => db.close(),
  };
}

async function openNode(path: string): Promise<SqliteDriver> {
  const { DatabaseSync } = await import("node:sqlite");
  const db = new DatabaseSync(path);
  return {
    exec: (text) => db.exec(text),
    prepare: (text) => {
      const statement = db.prepare(text);
      // Arrays, because two joined tables may each have a column called `name`.
      statement.setReturnArrays(true);
      return (params) =>
        // node:sqlite binds no booleans, and answers arrays as asked above though its type says objects.
        statement.all(
          ...params.map((value) => (typeof value === "boolean" ? Number(value) : value)),
        ) as unknown[] as unknown[][];
    },
    close: () => db.close(),
  };
}

/** Statements kept ready: making one costs more than running it. */
const KEPT = 300;

/** Runs each text as a prepared statement. Errors arrive as rejections, although SQLite itself answers at once. */
export function createConnection(driver: SqliteDriver): Connection {
  const statements = new Map<string, ReturnType<SqliteDriver["prepare"]>>();
  return {
    run: async (text, params) => {
      let statement = statements.get(text);
      if (!statement) {
        if (statements.size >= KEPT) statements.clear();
        statement = driver.prepare(text);
        statements.set(text, statement);
      }
      return statement(params);
    },
  };
}
