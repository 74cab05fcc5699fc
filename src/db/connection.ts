import { DrizzleQueryError } from "drizzle-orm";
import type { SqliteRemoteDatabase } from "drizzle-orm/sqlite-proxy";
import { SinewError } from "../contract/problem.ts";
import type { Tables } from "./schema/tables.ts";

export type Dialect = "sqlite" | "postgres";
export type Value = string | number | boolean | null;

/** What a driver offers: one statement, its parameters by position, rows as arrays in column order. */
export interface Connection {
  run(text: string, params: Value[]): Promise<unknown[][]>;
}

/** drizzle over either dialect, by the part of it that both spell alike. */
export type Drizzle = SqliteRemoteDatabase;
type Selecting = Pick<Drizzle, "select" | "selectDistinct">;
type Changing = Selecting & Pick<Drizzle, "insert" | "update" | "delete">;

/** Where queries run. The builder is lent only inside `query`, so that every failure passes the one place that reports it. */
export interface Reader {
  readonly dialect: Dialect;
  readonly tables: Tables;
  query<T>(build: (db: Selecting, tables: Tables) => PromiseLike<T>): Promise<T>;
  /** A statement whose text is already made: `builder` makes it once, `run` sends it. For hot statements (prepared.ts, bulk.ts). */
  readonly builder: Selecting;
  /** Rows as arrays in column order, as the driver gives them: PostgreSQL's bigint is text. */
  run(text: string, params: unknown[]): Promise<unknown[][]>;
}

/** One open transaction: it ends when the work given to `Database.write` does. */
export interface Writer extends Reader {
  query<T>(build: (db: Changing, tables: Tables) => PromiseLike<T>): Promise<T>;
  readonly builder: Changing;
}

export interface Database {
  readonly dialect: Dialect;
  /** Each query sees the newest commit; two queries can see two of them, so read the revision before the rows. */
  readonly read: Reader;
  /**
   * Runs `work` in a transaction: committed when it resolves, rolled back when it throws. No network inside, no `write`
   * inside (SQLite writers take turns), and nothing that must not happen twice: PostgreSQL repeats it after a deadlock.
   */
  write<T>(work: (tx: Writer) => Promise<T>): Promise<T>;
  /** A random UUID made with the database; another one means another history. */
  readonly epoch: string;
  /** The newest revision, whoever wrote it; on SQLite cheap enough to be asked at each request. */
  revision(): Promise<number>;
  /**
   * Hears that something may have been committed: by this process at once, by another one soon on PostgreSQL and never on
   * SQLite, so look now and then as well. The result ends it.
   */
  watch(wake: () => void): () => void;
  /** Finishes the writes that have begun. Safe to call twice. */
  close(): Promise<void>;
}

/** Those who wait for a commit. */
export function createWatchers(): { watch: Database["watch"]; wake: () => void } {
  const watchers = new Set<() => void>();
  return {
    watch(wake) {
      // An object of its own: one function may watch twice.
      const own = () => wake();
      watchers.add(own);
      return () => void watchers.delete(own);
    },
    wake() {
      for (const wake of watchers) wake();
    },
  };
}

/** A Writer (handed out as a Reader where only reading is meant) over one connection. */
export function createWriter(
  dialect: Dialect,
  connection: Connection,
  tables: Tables,
  drizzle: (connection: Connection) => Drizzle,
): Writer {
  const checked: Connection = { run: (text, params) => connection.run(text, storable(params)) };
  const db = drizzle(checked);
  return {
    dialect,
    tables,
    builder: db,
    query: async (build) => {
      try {
        return await build(db, tables);
      } catch (error) {
        // drizzle's own error repeats every parameter, bodies included, and hides the code that says what happened.
        throw error instanceof DrizzleQueryError ? error.cause : error;
      }
    },
    run: (text, params) => checked.run(text, params as Value[]),
  };
}

/** Lends `connection` to `work` alone: a statement that nobody awaited must not slip into the next transaction. */
export async function whileOpen<T>(connection: Connection, work: (own: Connection) => Promise<T>): Promise<T> {
  let open = true;
  try {
    return await work({
      run: async (text, params) => {
        if (!open) throw new Error("a statement came after the end of its transaction: an await is missing");
        return connection.run(text, params);
      },
    });
  } finally {
    open = false;
  }
}

/**
 * Refuses text that a database would refuse or alter: U+0000 (PostgreSQL) and lone surrogates (UTF-8 cannot hold them; two
 * different names would be stored as one). Both may stand in JSON text, where they are escapes.
 */
function storable(params: Value[]): Value[] {
  for (const value of params) {
    if (typeof value !== "string") continue;
    if (value.includes("\0")) throw new SinewError("invalid", `text cannot hold U+0000: ${excerpt(value)}`);
    if (!value.isWellFormed()) throw new SinewError("invalid", `text cannot hold half a character: ${excerpt(value)}`);
  }
  return params;
}

const excerpt = (text: string) => JSON.stringify(text.length > 60 ? `${text.slice(0, 60)}...` : text);
