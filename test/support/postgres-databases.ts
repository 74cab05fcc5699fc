import { randomUUID } from "node:crypto";
import postgres, { type Sql } from "postgres";
import { openDatabase } from "../../src/db/database.ts";
import { postgresServer } from "./postgres.ts";

export interface TestDatabase {
  /** For `openDatabase`. */
  url: string;
  /** Removes it, with whoever is still connected. */
  close(): Promise<void>;
}

const newName = (kind: "t" | "free") => `${kind}_${randomUUID().replaceAll("-", "")}`;

/** One after another: a database cannot be renamed for two at once. */
let turn: Promise<unknown> = Promise.resolve();

function asAdmin<T>(work: (sql: Sql, server: string) => Promise<T>): Promise<T> {
  const done = turn.then(async () => {
    const server = await postgresServer();
    return connected(`${server}/postgres`, (sql) => work(sql, server));
  });
  turn = done.catch(() => {});
  return done;
}

async function connected<T>(url: string, work: (sql: Sql) => Promise<T>): Promise<T> {
  const sql = postgres(url, { max: 1, fetch_types: false, onnotice: () => {} });
  return work(sql).finally(() => sql.end());
}

const drop = (sql: Sql, name: string) => sql.unsafe(`DROP DATABASE ${name} WITH (FORCE)`);

export async function freshDatabase(): Promise<TestDatabase> {
  const name = newName("t");
  const url = await asAdmin(async (sql, server) => {
    await sql.unsafe(`CREATE DATABASE ${name}`);
    return `${server}/${name}`;
  });
  return { url, close: () => asAdmin(async (sql) => void (await drop(sql, name))) };
}

/**
 * One that a test before may have used, emptied and under a new name, so that whoever was connected to it finds it gone: a
 * server takes ten times as long to make one.
 */
export async function usedDatabase(): Promise<TestDatabase> {
  const name = newName("t");
  const url = await asAdmin(async (sql, server) => {
    const tables = await template(sql, server);
    for (const { free } of await sql<{ free: string }[]>`
      SELECT datname AS free FROM pg_database WHERE datname LIKE 'free\\_%'`) {
      if (await connected(`${server}/${free}`, (own) => empty(own, tables))) {
        await sql.unsafe(`ALTER DATABASE ${free} RENAME TO ${name}`);
        return `${server}/${name}`;
      }
      await drop(sql, free);
    }
    await sql.unsafe(`CREATE DATABASE ${name} TEMPLATE ${TEMPLATE}`);
    return `${server}/${name}`;
  });
  return { url, close: () => asAdmin((sql) => release(sql, name)) };
}

const TEMPLATE = "sinew_template";

/** Makes the database with our tables and without a row, unless the server has it; what `TABLES` says of it. */
async function template(sql: Sql, server: string): Promise<string> {
  const [known] = await sql<{ tables: string }[]>`
    SELECT shobj_description(oid, 'pg_database') AS tables FROM pg_database WHERE datname = ${TEMPLATE}`;
  if (known) return known.tables;
  await sql.unsafe(`CREATE DATABASE ${TEMPLATE}`);
  await (await openDatabase(`${server}/${TEMPLATE}`)).close();
  const tables = await connected(`${server}/${TEMPLATE}`, async (own) => {
    await own.unsafe(EMPTY);
    return tablesOf(own);
  });
  await sql.unsafe(`COMMENT ON DATABASE ${TEMPLATE} IS '${tables}'`);
  return tables;
}

/** Keeps it for the next test, unless somebody does not let go of it. */
async function release(sql: Sql, name: string): Promise<void> {
  for (let turns = 0; turns < 100; turns++) {
    const still = await sql`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = ${name}`;
    if (still.length === 0) break;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  await sql.unsafe(`ALTER DATABASE ${name} RENAME TO ${newName("free")}`).catch(() => drop(sql, name));
}

/** Whether it could be made as the template is: not where a test has changed more than rows. */
async function empty(own: Sql, tables: string): Promise<boolean> {
  await own.unsafe(EMPTY);
  return (await tablesOf(own)) === tables;
}

const EMPTY = `DO $$
  DECLARE name regclass;
  DECLARE used boolean;
  BEGIN
    FOR name IN SELECT oid FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace
      AND relname <> 'sinew_migrations'
    LOOP
      EXECUTE format('SELECT EXISTS (SELECT FROM %s)', name) INTO used;
      IF used THEN EXECUTE format('TRUNCATE %s CASCADE', name); END IF;
    END LOOP;
    PERFORM setval(format('%I.%I', schemaname, sequencename)::regclass, start_value, false)
      FROM pg_sequences WHERE last_value IS NOT NULL;
  END $$`;

/** A digest of all that is not rows, and of which migrations there were. */
async function tablesOf(own: Sql): Promise<string> {
  const [row] = await own<{ digest: string }[]>`
    WITH relation AS (
      SELECT * FROM pg_class
      WHERE relnamespace NOT IN (SELECT oid FROM pg_namespace WHERE nspname ~ '^pg_|^information_schema$')
    )
    SELECT md5(string_agg(line, E'\\n' ORDER BY line)) AS digest FROM (
      SELECT concat_ws(' ', relation.relname, relkind, attname, atttypid::regtype, attnotnull, attidentity,
                       pg_get_expr(adbin, adrelid), pg_get_indexdef(relation.oid)) AS line
      FROM relation LEFT JOIN pg_attribute ON attrelid = relation.oid AND attnum > 0
      LEFT JOIN pg_attrdef ON adrelid = relation.oid AND adnum = attnum
      UNION ALL SELECT concat_ws(' ', conname, pg_get_constraintdef(oid)) FROM pg_constraint
        WHERE conrelid IN (SELECT oid FROM relation)
      UNION ALL SELECT tgname FROM pg_trigger
      UNION ALL SELECT proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace
      UNION ALL SELECT setconfig::text FROM pg_db_role_setting
        WHERE setdatabase = (SELECT oid FROM pg_database WHERE datname = current_database())
      UNION ALL SELECT name FROM sinew_migrations
    ) AS all_lines`;
  return row?.digest ?? "";
}
