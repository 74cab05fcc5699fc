import { Database as Sqlite } from "bun:sqlite";
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { chmod, mkdtemp, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import postgres from "postgres";
import { type Database, openDatabase, type Writer } from "../../src/db/database.ts";
import { retryAfter } from "../../src/db/postgres/postgres.ts";
import { currentRevision, reserveRevisions } from "../../src/db/queries/changes.ts";
import { countNodes, getNode, nodeRow, saveNode } from "../../src/db/queries/nodes.ts";
import { databases, type TestDatabase } from "../support/databases.ts";
import { node } from "./rows.ts";

/** Runs one statement beside Sinew, as an administrator would. */
async function aside(url: string, statement: string): Promise<void> {
  if (url.startsWith("sqlite:")) {
    const db = new Sqlite(url.slice("sqlite:".length));
    db.run(statement);
    db.close();
  } else {
    const sql = postgres(url, { max: 1 });
    await sql.unsafe(statement).finally(() => sql.end());
  }
}

const message = (opening: Promise<unknown>) =>
  opening.then(
    () => "opened",
    (error: Error) => error.message,
  );

describe.each(databases)("openDatabase() on $name", ({ name, open, empty }) => {
  let place: TestDatabase;
  let db: Database;
  beforeEach(async () => {
    place = await open();
    db = await openDatabase(place.url);
  });
  afterEach(async () => {
    await db.close();
    await place.close();
  });

  test("write() commits what its work did", async () => {
    await db.write((tx) => saveNode(tx, nodeRow(node("a"), 1)));
    expect(await countNodes(db.read)).toBe(1);
  });

  test("write() rolls back everything when its work throws after an await", async () => {
    const failing = db.write(async (tx) => {
      await saveNode(tx, nodeRow(node("a"), 1));
      await new Promise((resolve) => setTimeout(resolve, 5));
      await saveNode(tx, nodeRow(node("b"), 1));
      throw new Error("no");
    });
    expect(await message(failing)).toBe("no");
    expect(await countNodes(db.read)).toBe(0);
    await db.write((tx) => saveNode(tx, nodeRow(node("c"), 1)));
    expect(await countNodes(db.read)).toBe(1);
  });

  test("write() shows a reader nothing before it commits", async () => {
    await db.write(async (tx) => {
      await saveNode(tx, nodeRow(node("a"), 1));
      expect(await countNodes(tx)).toBe(1);
      expect(await countNodes(db.read)).toBe(0);
    });
  });

  test("a writer refuses statements after its transaction", async () => {
    let leaked: Writer | undefined;
    await db.write(async (tx) => {
      leaked = tx;
    });
    expect(await message(saveNode(leaked as Writer, nodeRow(node("a"), 1)))).toContain("an await is missing");
  });

  test("the read connection cannot write", async () => {
    // What `Reader` hides from the compiler is tried all the same.
    const attempt = saveNode(db.read as Writer, nodeRow(node("a"), 1));
    expect(await message(attempt)).toMatch(/readonly|read-only/);
  });

  test("the revision goes beyond 32 bits", async () => {
    const past = 2 ** 33;
    await db.write((tx) => reserveRevisions(tx, past));
    expect(await db.write((tx) => reserveRevisions(tx, 3))).toBe(past + 1);
    expect(await currentRevision(db.read)).toBe(past + 3);
    await db.write((tx) => saveNode(tx, nodeRow(node("a"), past)));
    expect((await getNode(db.read, "a"))?.revision).toBe(past);
  });

  test("the epoch outlives a reopening, and close() may be called twice", async () => {
    await db.close();
    await db.close();
    const again = await openDatabase(place.url);
    expect(again.epoch).toBe(db.epoch);
    expect(again.epoch).toMatch(/^[0-9a-f-]{36}$/);
    await again.close();
  });

  test("a closed database refuses to write", async () => {
    await db.close();
    expect(await message(db.write(async () => {}))).toBe("the database is closed");
  });

  test("a database of a newer program is refused and left as it was", async () => {
    await db.close();
    await aside(place.url, "INSERT INTO sinew_migrations VALUES ('9999_later', 'x')");
    await aside(place.url, "DELETE FROM meta");
    expect(await message(openDatabase(place.url))).toMatch(
      /a newer Sinew has written this database: it has migration 9999_later, this program knows up to \d{4}_\w+\. Nothing was changed/,
    );
    await aside(place.url, "DELETE FROM sinew_migrations WHERE name = '9999_later'");
    const again = await openDatabase(place.url);
    expect(again.epoch).not.toBe(db.epoch); // meta had stayed empty
    await again.close();
  });

  test("processes that open a new database at once all get the same epoch", async () => {
    const fresh = await empty();
    const program = `import { openDatabase } from "${import.meta.dir}/../../src/db/database.ts";
      const db = await openDatabase(process.argv[1]); console.log(db.epoch); await db.close();`;
    const processes = Array.from({ length: 4 }, () =>
      Bun.spawn([process.execPath, "-e", program, fresh.url], { stdout: "pipe", stderr: "pipe" }),
    );
    const answers = await Promise.all(processes.map(async (p) => (await p.stdout.text()) + (await p.stderr.text())));
    await fresh.close();
    expect(answers).toEqual(answers.map(() => String(answers[0])));
    expect(answers[0]).toMatch(/^[0-9a-f-]{36}\n$/);
  }, 30_000);

  test.if(name === "postgres")("a wrong password or name is one clear line without the password", async () => {
    const wrong = new URL(place.url);
    wrong.password = "sekret";
    const refused = await message(openDatabase(wrong.href));
    expect(refused).toContain("the server refused the user or the password");
    expect(refused).not.toMatch(/sekret|\n/);
    expect(await message(openDatabase(`${place.url}x`))).toContain("no database of that name");
  });

  test.if(name === "postgres")(
    "a connection lost at any moment is 503, and the next write connects again",
    async () => {
      // Waited for: they end some time after they were told to.
      const kill = `SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
        WHERE application_name = 'sinew' AND datname = current_database()`;
      // By itself, between two statements, during one, before COMMIT, and with its errors ignored.
      const moments: ((tx: Writer) => Promise<unknown>)[] = [
        (tx) => tx.run("SELECT pg_terminate_backend(pg_backend_pid())", []),
        async (tx) => {
          await saveNode(tx, nodeRow(node("x"), 1));
          await aside(place.url, kill);
          await saveNode(tx, nodeRow(node("x"), 2));
        },
        (tx) => Promise.all([tx.run("SELECT pg_sleep(5)", []), aside(place.url, kill)]),
        async (tx) => {
          await saveNode(tx, nodeRow(node("x"), 1));
          await aside(place.url, kill);
          await new Promise((resolve) => setTimeout(resolve, 50));
        },
        async (tx) => {
          await aside(place.url, kill);
          for (let i = 0; i < 3; i++) await saveNode(tx, nodeRow(node("x"), 1)).catch(() => {});
        },
      ];
      for (const [i, moment] of moments.entries()) {
        await expect(db.write(moment)).rejects.toMatchObject({ code: "unavailable" });
        await db.write((tx) => saveNode(tx, nodeRow(node(`${i}`), 1)));
        expect(await countNodes(db.read)).toBe(i + 1);
      }
      await aside(place.url, kill);
      await new Promise((resolve) => setTimeout(resolve, 50));
      expect(await countNodes(db.read)).toBe(moments.length);
      await db.write((tx) => saveNode(tx, nodeRow(node("last"), 1)));
    },
    20_000,
  );

  test.if(name === "postgres")(
    "a deadlock is repeated until both writers are through",
    async () => {
      for (const id of ["a", "b"]) await db.write((tx) => saveNode(tx, nodeRow(node(id), 1)));
      let attempts = 0;
      let holding = 0;
      const both = Promise.withResolvers<void>();
      const crossing = (first: string, second: string) =>
        db.write(async (tx) => {
          attempts++;
          await saveNode(tx, nodeRow(node(first), 2));
          // Each holds its first row before either wants the other's.
          holding += 1;
          if (holding === 2) both.resolve();
          await both.promise;
          await saveNode(tx, nodeRow(node(second), 2));
        });
      await Promise.all([crossing("a", "b"), crossing("b", "a")]);
      expect(attempts).toBeGreaterThan(2);
    },
    15_000,
  );
});

test.each(databases)(
  "a database on $name is closed while what watches it still connects, and nothing fails where nobody can catch it (found by load)",
  async ({ open }) => {
    const place = await open();
    // At each moment of a connection's beginning; an error that nobody catches fails this test.
    for (let turn = 0; turn < 40; turn += 1) {
      const db = await openDatabase(place.url);
      db.watch(() => {});
      const begun = performance.now();
      while (performance.now() - begun < turn / 3) await new Promise(setImmediate);
      await db.close();
    }
    await place.close();
  },
);

describe("openDatabase()", () => {
  test("says what it expected of a URL it cannot use", async () => {
    expect(await message(openDatabase("mysql://u:sekret@h/x"))).toBe(
      "expected a database URL such as sqlite:PATH or postgres://HOST/NAME, found one that begins with mysql:",
    );
    expect(await message(openDatabase("sekret"))).toContain("found one without a scheme");
    expect(await message(openDatabase("sqlite::memory:"))).toContain("expected sqlite: and the path of a file");
    expect(await message(openDatabase("postgres://u:sek/ret@[/x"))).toBe(
      "cannot use the PostgreSQL database (its URL cannot be read): expected postgres://USER:PASSWORD@HOST:PORT/NAME",
    );
    expect(await message(openDatabase("postgres://u:sekret@127.0.0.1:1/x"))).toBe(
      "cannot use the PostgreSQL database 127.0.0.1:1/x: no server listens there (connection refused)",
    );
  });

  test("leaves files alone that are not its own", async () => {
    const folder = await mkdtemp(join(tmpdir(), "sinew-foreign-"));
    const text = join(folder, "text");
    await writeFile(text, "not a database at all, and long enough to be read as a header of one. ".repeat(20));
    expect(await message(openDatabase(`sqlite:${text}`))).toContain(
      "expected an SQLite database, found a file of another",
    );
    const foreign = join(folder, "foreign");
    await aside(`sqlite:${foreign}`, "CREATE TABLE theirs (x)");
    const before = await Bun.file(foreign).bytes();
    expect(await message(openDatabase(`sqlite:${foreign}`))).toContain("found table theirs of another program");
    expect(await Bun.file(foreign).bytes()).toEqual(before);
    expect(await message(openDatabase(`sqlite:${folder}`))).toContain("expected a file, found a directory");
    expect(await message(openDatabase(`sqlite:${folder}/no/x`))).toContain(
      `expected the directory ${folder}/no, found none`,
    );
    await rm(folder, { recursive: true });
  });

  test.if(process.getuid?.() !== 0)("says when the user may not read the file", async () => {
    const folder = await mkdtemp(join(tmpdir(), "sinew-locked-"));
    const file = join(folder, "db");
    await writeFile(file, "");
    await chmod(file, 0);
    expect((await stat(file)).size).toBe(0);
    expect(await message(openDatabase(`sqlite:${file}`))).toContain("this user may not read and write it");
    await rm(folder, { recursive: true });
  });
});

test("a PostgreSQL that was away is tried again within half a second, however many connections have failed", () => {
  for (let failures = 0; failures < 2_000; failures += 1) {
    expect(retryAfter(failures)).toBeGreaterThan(0);
    expect(retryAfter(failures)).toBeLessThanOrEqual(0.5);
  }
});
