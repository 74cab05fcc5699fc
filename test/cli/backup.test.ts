import { Database } from "bun:sqlite";
import { afterAll, afterEach, expect, test } from "bun:test";
import {
  copyFileSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { NodeList } from "../../src/contract/node.ts";
import { openDatabase } from "../../src/db/database.ts";
import { saveNode } from "../../src/db/queries/nodes.ts";
import { backupSqlite } from "../../src/db/sqlite/backup.ts";
import { createPresence } from "../../src/tiers/conductor/owners/presence.ts";
import { databases } from "../support/databases.ts";
import { endAll, type RunningSinew, startSinew } from "../support/process.ts";
import { quiet } from "../support/tiers.ts";
import { nodeOf } from "../tiers/conductor/inventory/support.ts";
import { cleanEnv, run } from "./run.ts";

const home = mkdtempSync(join(tmpdir(), "sinew-backup-"));
afterEach(() => endAll());
afterAll(() => rmSync(home, { recursive: true }));
const state = (name: string) => join(home, name);
const sinew = (args: string[], more: Record<string, string> = {}) => run(args, cleanEnv(home, more));
const start = (name: string) => startSinew(["--role", "conductor", "--state", state(name)]);
const urlOf = (name: string) => `sqlite:${join(state(name), "conductor.sqlite")}`;
const names = async ({ url }: RunningSinew) =>
  NodeList.parse(await (await fetch(`${url}/nodes`)).json()).nodes.map(({ name }) => name);
const epoch = async ({ url }: RunningSinew) =>
  ((await (await fetch(`${url}/changes`)).json()) as { epoch: string }).epoch;

test("a backup is taken while the conductor runs, and put back with a new epoch", async () => {
  const conductor = await start("a");
  // Not by openDatabase: Bun keeps its file open until each statement has been collected.
  const db = new Database(join(state("a"), "conductor.sqlite"));
  db.run("PRAGMA busy_timeout = 5000");
  const addNode = (n: number) =>
    db.run(
      "INSERT INTO nodes (id, name, state, labels, first_seen, revision) VALUES (?1, ?2, 'LEFT', '{}', '2026-11-23T00:00:00Z', 0)",
      [nodeOf(n).id, nodeOf(n).name],
    );
  addNode(1);
  const own = ["--state", state("a")];
  expect(await sinew(["label", "node", nodeOf(1).name, "rack=r7", ...own])).toMatchObject({ code: 0 });
  const file = join(home, "one.sqlite");
  // While others write: it is what was there at one moment.
  let writing = true;
  const writes = (async () => {
    for (let n = 100; writing; n += 1) {
      addNode(n);
      await Bun.sleep(1);
    }
  })();
  expect(await sinew(["backup", file, "--state", state("a")])).toMatchObject({ code: 0 });
  writing = false;
  await writes;
  expect(statSync(file).mode & 0o777).toBe(0o600);
  expect(await sinew(["backup", file, "--state", state("a")])).toMatchObject({
    code: 1,
    err: expect.stringContaining("replaces none"),
  });
  addNode(2);
  expect(await sinew(["label", "node", nodeOf(1).name, "rack-", ...own])).toMatchObject({ code: 0 });
  db.close(true);
  const before = await epoch(conductor);
  expect(await sinew(["restore", file, "--state", state("a")])).toMatchObject({
    code: 1,
    err: expect.stringContaining("stop it first"),
  });
  await conductor.stop("SIGTERM");
  const restored = await sinew(["restore", file, "--state", state("a")]);
  expect(restored).toMatchObject({ code: 0, out: expect.stringContaining("new epoch") });
  const again = await start("a");
  const there = await names(again);
  expect(there).toContain(nodeOf(1).name);
  expect(there).not.toContain(nodeOf(2).name);
  // What an operator gave comes back with it.
  expect((await sinew(["get", "nodes", "-l", "rack=r7", "-o", "name", ...own])).out).toBe(`node/${nodeOf(1).name}\n`);
  expect(await epoch(again)).not.toBe(before);
  expect((await fetch(`${again.url}/changes?since=0&epoch=${before}`)).status).toBe(410);
  const aside = readdirSync(state("a")).find((name) => name.startsWith("conductor.sqlite.before-")) ?? "";
  const old = await openDatabase(`sqlite:${join(state("a"), aside)}`);
  expect(
    (await old.read.query((q, { nodes }) => q.select({ name: nodes.name }).from(nodes))).map(({ name }) => name),
  ).toContain(nodeOf(2).name);
  await old.close();
}, 60_000);

test("nothing is restored from what is no whole backup, or over what a process has open", async () => {
  const conductor = await start("b");
  const file = join(home, "two.sqlite");
  await sinew(["backup", file, "--state", state("b")]);
  await conductor.stop("SIGTERM");
  const cut = join(home, "cut.sqlite");
  copyFileSync(file, cut);
  truncateSync(cut, statSync(file).size - 8192);
  const other = join(home, "other.sqlite");
  writeFileSync(other, "no database at all");
  const target = join(state("b"), "conductor.sqlite");
  const untouched = statSync(target).ino;
  for (const [bad, says] of [
    [cut, "not restored"],
    [other, "not restored"],
    [join(home, "none"), "does not exist"],
  ] as const) {
    const { code, err } = await sinew(["restore", bad, "--state", state("b")]);
    expect([code, err]).toEqual([1, expect.stringContaining(says)]);
  }
  // Of another state directory, whose lock says nothing of this file.
  const db = await openDatabase(urlOf("b"));
  await db.write((tx) => saveNode(tx, { ...nodeOf(1), ...ROW }));
  const open = await sinew(["restore", file, "--state", state("elsewhere"), "--db", urlOf("b")]);
  expect(open).toMatchObject({ code: 1, err: expect.stringContaining("open") });
  await db.close();
  expect(statSync(target).ino).toBe(untouched);
  expect(readdirSync(state("b")).filter((name) => /partial|before/.test(name))).toEqual([]);
}, 60_000);

const ROW = {
  ...{ state: "LIVE", labels: "{}", endpoint: null, last_seen: null, api: null, generation: null, boot_id: null },
  ...{ first_seen: "2026-11-23T00:00:00.000Z", key: null, conditions: null, reported: null, revision: 0 },
};

/** A database of so many nodes, all of it in its one file. */
async function makeDatabase(path: string, nodes: number): Promise<void> {
  const made = join(home, crypto.randomUUID());
  const db = await openDatabase(`sqlite:${made}`);
  await db.write(async (tx) => {
    for (let n = 0; n < nodes; n += 1) await saveNode(tx, { ...nodeOf(n), ...ROW });
  });
  await backupSqlite(made, path);
  await db.close();
}
const countOf = (path: string) => {
  const db = new Database(path, { readonly: true });
  const [[count] = []] = db.prepare<unknown, []>("SELECT count(*) FROM nodes").values() as number[][];
  db.close();
  return count;
};

test("a copy of a database in use is refused while a part of it is in a journal, and a backup of the copy has all", async () => {
  const folder = mkdtempSync(join(home, "copy-"));
  const at = (name: string) => join(folder, `${name}.sqlite`);
  const [used, copy, alias, target, whole] = [at("used"), at("copy"), at("alias"), at("target"), at("whole")];
  await makeDatabase(used, 3);
  const db = await openDatabase(`sqlite:${used}`);
  await db.write((tx) => saveNode(tx, { ...nodeOf(9), ...ROW }));
  // As a kill leaves them.
  for (const end of ["", "-wal"]) copyFileSync(`${used}${end}`, `${copy}${end}`);
  await db.close();
  symlinkSync(copy, alias);
  const restore = (file: string) => sinew(["restore", file, "--state", folder, "--db", `sqlite:${target}`]);
  for (const file of [copy, alias]) {
    const advice = expect.stringContaining(`in ${copy}-wal, as of a database in use`);
    expect(await restore(file)).toMatchObject({ code: 1, out: "", err: advice });
  }
  expect(existsSync(target)).toBe(false);
  expect(await sinew(["backup", "--db", `sqlite:${copy}`, whole])).toMatchObject({ code: 0 });
  writeFileSync(`${whole}-journal`, "begun");
  expect(await restore(whole)).toMatchObject({ code: 1, err: expect.stringContaining("whole.sqlite-journal") });
  rmSync(`${whole}-journal`);
  writeFileSync(`${whole}-wal`, "");
  expect(await restore(whole)).toMatchObject({ code: 0, err: "" });
  expect(countOf(target)).toBe(4);
}, 60_000);

test("a pipe is no database and no backup, and is not waited for", async () => {
  const folder = mkdtempSync(join(home, "pipe-"));
  const [pipe, file] = [join(folder, "pipe"), join(folder, "file.sqlite")];
  expect(Bun.spawnSync(["mkfifo", pipe]).exitCode).toBe(0);
  await makeDatabase(file, 1);
  for (const args of [
    ["restore", pipe, "--db", `sqlite:${file}`],
    ["restore", file, "--db", `sqlite:${pipe}`],
    ["backup", join(folder, "new"), "--db", `sqlite:${pipe}`],
  ]) {
    const said = expect.stringContaining(`${pipe} is no regular file`);
    expect([args, await sinew([...args, "--state", folder])]).toEqual([args, { code: 1, out: "", err: said }]);
  }
  expect(readdirSync(folder).sort()).toEqual(["conductor.lock", "file.sqlite", "pipe"]);
}, 30_000);

test("a database that stands elsewhere by a link is restored there, and the link stays", async () => {
  const folder = mkdtempSync(join(home, "link-"));
  const [disk, backup] = [join(folder, "disk"), join(folder, "backup.sqlite")];
  mkdirSync(disk);
  await makeDatabase(backup, 5);
  await makeDatabase(join(disk, "c.sqlite"), 2);
  // A link to a link, and to nothing yet.
  symlinkSync("disk/c.sqlite", join(folder, "one"));
  symlinkSync("one", join(folder, "conductor.sqlite"));
  symlinkSync("disk/new.sqlite", join(folder, "other.sqlite"));
  for (const db of ["conductor.sqlite", "other.sqlite"]) {
    expect(await sinew(["restore", backup, "--state", folder, "--db", `sqlite:${join(folder, db)}`])).toMatchObject({
      code: 0,
    });
    expect(lstatSync(join(folder, db)).isSymbolicLink()).toBe(true);
    expect(countOf(join(folder, db))).toBe(5);
  }
  const aside = readdirSync(disk).filter((name) => name.startsWith("c.sqlite.before-"));
  expect(aside.map((name) => countOf(join(disk, name)))).toEqual([2]);
}, 30_000);

test("a damaged backup is told by what is wrong with it", async () => {
  const file = join(home, "damaged.sqlite");
  await makeDatabase(file, 2_000);
  // The leaves of a table of many rows stand at the end.
  const bytes = readFileSync(file);
  bytes.fill(0xff, bytes.length - 4096, bytes.length - 4000);
  writeFileSync(file, bytes);
  const { code, err } = await sinew(["restore", file, "--state", state("damaged")]);
  expect([code, err]).toEqual([1, expect.stringMatching(/it is damaged: [^*\n]*(page|Tree|row|index)[^*\n]*\n$/i)]);
}, 30_000);

test("a backup that is killed leaves no file under its name, and the database as it was", async () => {
  const db = await openDatabase(`sqlite:${join(home, "big.sqlite")}`);
  await db.write(async (tx) => {
    for (let n = 0; n < 300; n += 1)
      await saveNode(tx, { ...nodeOf(n), ...ROW, labels: JSON.stringify({ x: "y".repeat(100_000) }) });
  });
  const main = join(import.meta.dir, "../../src/main.ts");
  const file = join(home, "killed.sqlite");
  const child = Bun.spawn([process.execPath, main, "backup", file, "--db", `sqlite:${join(home, "big.sqlite")}`], {
    ...{ env: cleanEnv(home), stdin: "ignore", stdout: "ignore", stderr: "ignore" },
  });
  while (child.exitCode === null && !readdirSync(home).some((name) => name.startsWith("killed.sqlite.")))
    await Bun.sleep(1);
  child.kill("SIGKILL");
  await child.exited;
  expect(existsSync(file)).toBe(false);
  expect(await sinew(["backup", file, "--db", `sqlite:${join(home, "big.sqlite")}`])).toMatchObject({ code: 0 });
  await db.write((tx) => saveNode(tx, { ...nodeOf(1_000), ...ROW }));
  await db.close();
}, 60_000);

test("on a full disk there is one clear line, and nothing half is left", async () => {
  const db = await openDatabase(`sqlite:${join(home, "full.sqlite")}`);
  await db.write((tx) => saveNode(tx, { ...nodeOf(1), ...ROW, labels: JSON.stringify({ x: "y".repeat(5_000_000) }) }));
  await db.close();
  // A limit on the size of files stands for a disk that is full.
  const main = join(import.meta.dir, "../../src/main.ts");
  const folder = mkdtempSync(join(home, "full-"));
  const script = `trap '' XFSZ; ulimit -f 2000; exec "$@"`;
  const args = ["backup", join(folder, "x.sqlite"), "--db", `sqlite:${join(home, "full.sqlite")}`];
  const child = Bun.spawn(["bash", "-c", script, "bash", process.execPath, main, ...args], {
    ...{ env: cleanEnv(home), stdin: "ignore", stdout: "ignore", stderr: "pipe" },
  });
  const err = await new Response(child.stderr).text();
  expect([await child.exited, err]).toEqual([1, expect.stringMatching(/^sinew: no backup of .*\n$/)]);
  expect(readdirSync(folder)).toEqual([]);
}, 30_000);

const postgres = databases.find(({ name }) => name === "postgres");
test.skipIf(!postgres)(
  "on PostgreSQL it says what to do without the password, and gives a new epoch",
  async () => {
    const database = await postgres?.open();
    if (!database) return;
    const told = await sinew(["backup", "x.dump"], { SINEW_DB: database.url });
    expect(told).toMatchObject({ code: 1, err: expect.stringContaining("pg_dump --format=custom --file=x.dump") });
    const restoring = await sinew(["restore", "x.dump", "--db", database.url]);
    expect(restoring).toMatchObject({ code: 1, err: expect.stringContaining("pg_restore") });
    const { password } = new URL(database.url);
    expect(password).not.toBe("");
    expect(`${told.err}${restoring.err}`.includes(password)).toBe(false);
    const first = await openDatabase(database.url);
    const presence = createPresence({
      ...{ db: first, world: quiet(), ttlMs: 1_000, id: "a", name: "rack-a", endpoint: null, version: "1" },
      onTaken: async () => {},
      onExpelled: async () => {},
    });
    await presence.start();
    expect(await sinew(["restore", "--db", database.url])).toMatchObject({
      code: 1,
      err: expect.stringContaining("conductor rack-a serves this database: stop all its conductors first"),
    });
    await presence.stop();
    await first.close();
    expect(await sinew(["restore", "--db", database.url])).toMatchObject({ code: 0 });
    const second = await openDatabase(database.url);
    expect(second.epoch).not.toBe(first.epoch);
    await second.close();
    await database.close();
  },
  60_000,
);
