import { drizzle } from "drizzle-orm/pg-proxy";
import type { PendingQuery, Row, Sql, TransactionSql } from "postgres";
import { SinewError } from "../../contract/problem.ts";
import {
  type Connection,
  createWatchers,
  createWriter,
  type Database,
  type Drizzle,
  type Value,
  whileOpen,
} from "../connection.ts";
import { currentRevision } from "../queries/changes.ts";
import { appliedMigrations, migrate, readMigrations, refuseNewer } from "../schema/migrate.ts";
import * as tables from "../schema/tables-postgres.ts";
import { explain, isEnded, isLoss, isRepeatable, translate } from "./errors.ts";
import { createNotices } from "./notices.ts";
import { createPatience, DEADLINES, type Patience } from "./patience.ts";

const OLDEST = 130_000;
const ATTEMPTS = 5;
/** Connections of a pool. */
const POOL = 8;
const CLOSE_MS = 5_000;
/** "sinew" in ASCII: what processes that apply migrations wait for. */
const MIGRATION_LOCK = 0x73696e6577;

/**
 * Seconds until a connection that was refused is tried again. All connections of a pool count their failures together, and
 * postgres.js' own answer grows three times with each, to 20 seconds: a server that was away for one second would be missed
 * for 20, which is longer than a conductor's lease.
 */
export const retryAfter = (failures: number): number =>
  Math.min(0.5, 0.01 * 2 ** Math.min(failures, 10)) * (0.5 + Math.random() / 2);

/** Connects two pools, one of which cannot write, and brings the tables up to date. */
export async function openPostgres(url: string, deadlines = DEADLINES): Promise<Database> {
  const { default: postgres } = await import("postgres");
  const patience = createPatience(deadlines);
  // Which its types leave out.
  const watched: object = { socket: patience.socket };
  const pool = (max: number, settings: Record<string, string>, more: object = {}) =>
    postgres(url, {
      max,
      ...more,
      connect_timeout: 10,
      backoff: retryAfter,
      onnotice: () => {},
      // postgres.js 3.4.9 asks each new connection for the types of arrays, of which there are none here, and where the
      // connection ends meanwhile nobody can catch what it throws: that ended the whole process.
      fetch_types: false,
      ...watched,
      connection: {
        application_name: "sinew",
        // A process stopped inside a transaction must not stop the feed: it holds the revision's lock.
        idle_in_transaction_session_timeout: 30_000,
        statement_timeout: deadlines.statementMs,
        ...settings,
      },
    });
  const pools: Sql[] = [];
  try {
    // A migration takes the time that it takes, and so does waiting for another process that does it.
    const first = pool(1, { statement_timeout: "0" });
    pools.push(first);
    const epoch = await prepare(first);
    await first.end({ timeout: 1 });
    const writer = pool(POOL, {});
    pools.push(writer);
    const reader = pool(POOL, { default_transaction_read_only: "on" });
    pools.push(reader);
    const connect: Connect = (hooks) => pool(1, {}, { max_lifetime: null, ...hooks });
    return createDatabase({ writer, reader, connect, patience }, epoch);
  } catch (error) {
    await Promise.all(pools.map((sql) => sql.end({ timeout: 1 })));
    throw new Error(`cannot use the PostgreSQL database ${place(url)}: ${explain(error)}`, { cause: error });
  }
}

/** What may be shown of a URL: never the password, wherever in the URL it stands. */
function place(url: string): string {
  try {
    const { hostname, port, pathname } = new URL(url);
    return `${hostname}${port && `:${port}`}${pathname}`;
  } catch {
    return "(its URL cannot be read)";
  }
}

/** Returns the epoch. Looks before it writes. */
async function prepare(sql: Sql): Promise<string> {
  const [server] = await sql<{ version: number; encoding: string; shown: string }[]>`
    SELECT current_setting('server_version_num')::int AS version, current_setting('server_encoding') AS encoding,
           current_setting('server_version') AS shown`;
  if (!server || server.version < OLDEST) throw new Error(`expected PostgreSQL 13 or newer, found ${server?.shown}`);
  if (server.encoding !== "UTF8") throw new Error(`expected a database in UTF8, found ${server.encoding}`);
  const known = await readMigrations("postgres");
  const applied = await appliedMigrations("postgres", unnamed(sql));
  await refuseNewer(unnamed(sql), known, applied ?? []);
  // Conductors that serve meanwhile may meet it in another order.
  return repeated(() =>
    sql.begin(async (tx) => {
      await tx`SELECT pg_advisory_xact_lock(${MIGRATION_LOCK}::bigint)`;
      return migrate("postgres", unnamed(tx), known);
    }),
  );
}

/** Tries again what the server undid because two met. */
async function repeated<T>(work: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await work();
    } catch (error) {
      if (attempt === ATTEMPTS || !isRepeatable(error)) throw translate(error);
      // Two that met once meet again unless one waits longer.
      await new Promise((resolve) => setTimeout(resolve, Math.random() * 20 * attempt));
    }
  }
}

/**
 * Tries again where a connection of the pool had ended unnoticed while nobody used it, as all have after a restart of the
 * server. What `work` has said to have `worked` on may have been done: it is not repeated.
 */
async function renewed<T>(work: (worked: () => void) => Promise<T>): Promise<T> {
  let done = false;
  for (let attempt = 0; ; attempt++) {
    try {
      return await work(() => {
        done = true;
      });
    } catch (error) {
      if (done || attempt === POOL || !isEnded(error)) throw error;
    }
  }
}

type Connect = Parameters<typeof createNotices>[0]["connect"];

function createDatabase(
  { writer, reader, connect, patience }: { writer: Sql; reader: Sql; connect: Connect; patience: Patience },
  epoch: string,
): Database {
  const reading = prepared(reader, patience);
  const readAgain: Connection = { run: (text, params) => renewed(() => reading.run(text, params)) };
  const read = createWriter("postgres", readAgain, tables, adapt);
  let closed: Promise<void> | null = null;
  const watchers = createWatchers();
  const notices = createNotices({ writer, connect, wake: watchers.wake });
  const committed = () => {
    watchers.wake();
    notices.tell();
  };
  const writing = new Set<Promise<unknown>>();
  return {
    dialect: "postgres",
    epoch,
    read,
    revision: () => currentRevision(read),
    write: (work) => {
      if (closed) return Promise.reject(new SinewError("unavailable", "the database is closed"));
      const result = repeated(() =>
        renewed((worked) =>
          begin(writer, patience, (own) => {
            worked();
            return work(createWriter("postgres", own, tables, adapt));
          }),
        ),
      );
      const ended: Promise<unknown> = result.then(committed, () => {}).finally(() => writing.delete(ended));
      writing.add(ended);
      return result;
    },
    watch(wake) {
      notices.hear();
      return watchers.watch(wake);
    },
    close: () => {
      closed ??= (async () => {
        let timer: ReturnType<typeof setTimeout> | undefined;
        const enough = new Promise((resolve) => {
          timer = setTimeout(resolve, CLOSE_MS);
        });
        await Promise.race([Promise.all(writing), enough]);
        clearTimeout(timer);
        await notices.close();
        // At once: left to itself `end` waits for ever for a connection that died in the middle of a query.
        await Promise.all([reader.end({ timeout: 0 }), writer.end({ timeout: 0 })]);
        patience.close();
      })();
      return closed;
    },
  };
}

/**
 * `sql.begin`, made safe for a connection that dies inside it: postgres.js 3.4.9 then sends ROLLBACK into a socket that is
 * null, and throws where nobody can catch it (porsager/postgres#1208). So after the loss it is sent nothing more: its
 * callback never settles, and `sql.begin` rejects by itself because the connection closed.
 */
async function begin<T>(sql: Sql, patience: Patience, work: (own: Connection) => Promise<T>): Promise<T> {
  let loss: unknown = null;
  let over = false;
  // For its beginning, and then for its end.
  let answered = patience.waiting();
  const guarded = (connection: Connection): Connection => ({
    run: async (text, params) => {
      if (loss) throw loss;
      return connection.run(text, params);
    },
  });
  const begun = sql.begin(async (tx) => {
    answered();
    try {
      // In a box, because postgres.js waits for each element where the result is an array.
      return { result: await whileOpen(guarded(prepared(tx, patience)), work) };
    } catch (error) {
      if (isLoss(error)) loss = error;
      throw error;
    } finally {
      if (!over) answered = patience.waiting();
      if (loss) await new Promise(() => {});
    }
  });
  begun.catch((error) => {
    loss = translate(error);
  });
  try {
    return (await begun).result;
  } finally {
    over = true;
    answered();
  }
}

const rows = async (query: PendingQuery<Row[]>): Promise<unknown[][]> => (await query.values()) as unknown[][];

/** Each text is prepared once per connection; texts are few, as lists of keys are padded (prepared.ts) and rows counted (bulk.ts). */
const prepared = (sql: Sql | TransactionSql, patience: Patience): Connection => ({
  run: async (text, params) => {
    const answered = patience.waiting();
    try {
      return await rows(sql.unsafe(text, params, { prepare: true }));
    } catch (error) {
      throw translate(error);
    } finally {
      answered();
    }
  },
});

/** For statements that run once. */
const unnamed = (sql: Sql | TransactionSql): Connection => ({ run: (text, params) => rows(sql.unsafe(text, params)) });

/**
 * Safe because queries use only what the two builders spell alike (`Reader` lends no more), and both run them when awaited.
 * The tables are of `columns-postgres.ts`, whose cast says the same about their values.
 */
const adapt = (connection: Connection): Drizzle =>
  drizzle(async (text, params: Value[]) => ({ rows: await connection.run(text, params) })) as unknown as Drizzle;
