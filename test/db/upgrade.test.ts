import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Database, openDatabase } from "../../src/db/database.ts";
import { takeNodes } from "../../src/db/queries/fleet/owners.ts";
import { getNode, nodeRow, saveNode } from "../../src/db/queries/nodes.ts";
import { createConductorTier } from "../../src/tiers/conductor/conductor.ts";
import { alone, VISITOR } from "../support/callers.ts";
import { databases } from "../support/databases.ts";
import { quiet } from "../support/tiers.ts";
import { node } from "./rows.ts";

const root = join(import.meta.dir, "..", "..");
const ADDED = `ALTER TABLE nodes ADD COLUMN rack text DEFAULT 'r1';--> statement-breakpoint
CREATE TABLE racks (id text PRIMARY KEY NOT NULL);`;

/** This program with one migration more, as its next version would have; what it says of who may use its tables is `from`. */
function makeNext(from: (own: string) => string) {
  const folder = mkdtempSync(join(tmpdir(), "sinew-next-"));
  for (const part of ["src", "drizzle", "package.json"])
    cpSync(join(root, part), join(folder, part), { recursive: true });
  symlinkSync(join(root, "node_modules"), join(folder, "node_modules"));
  const count = readdirSync(join(folder, "drizzle", "sqlite")).filter((file) => file.endsWith(".sql")).length;
  const own = `${String(count).padStart(4, "0")}_next`;
  for (const dialect of ["sqlite", "postgres"]) {
    const at = join(folder, "drizzle", dialect);
    const journal = JSON.parse(readFileSync(join(at, "meta", "_journal.json"), "utf8"));
    journal.entries.push({ ...journal.entries.at(-1), idx: count, tag: own });
    writeFileSync(join(at, "meta", "_journal.json"), JSON.stringify(journal));
    writeFileSync(join(at, `${own}.sql`), ADDED);
  }
  const file = join(folder, "src", "db", "schema", "migrate.ts");
  const text = readFileSync(file, "utf8");
  const marked = text.replace(/(COMPATIBLE_FROM = )"(.*)"/, (_, before, old) => `${before}"${from(own) || old}"`);
  writeFileSync(file, marked);
  return { folder, own };
}

type Module<T extends string> = T extends "db"
  ? typeof import("../../src/db/database.ts")
  : typeof import("../../src/tiers/conductor/conductor.ts");
const dbOf = (folder: string): Promise<Module<"db">> => import(join(folder, "src/db/database.ts"));
const tierOf = (folder: string): Promise<Module<"tier">> => import(join(folder, "src/tiers/conductor/conductor.ts"));

describe.each(databases)("two versions on one database, on $name", ({ empty }) => {
  let additive: ReturnType<typeof makeNext>;
  let breaking: ReturnType<typeof makeNext>;
  beforeAll(() => {
    additive = makeNext(() => "");
    breaking = makeNext((own) => own);
  });
  afterAll(() => {
    for (const { folder } of [additive, breaking]) rmSync(folder, { recursive: true });
  });

  const rackOf = async (db: Database, id: string) =>
    (await db.write((tx) => tx.run(`SELECT rack FROM nodes WHERE id = '${id}'`, [])))[0]?.[0];

  test("the older one goes on, and starts again, on tables to which the newer one has added", async () => {
    const place = await empty();
    const old = await openDatabase(place.url);
    const of = node(crypto.randomUUID());
    await old.write((tx) => saveNode(tx, nodeRow(of, 1)));
    const next = await (await dbOf(additive.folder)).openDatabase(place.url);
    expect(await rackOf(old, of.id)).toBe("r1");
    await next.write((tx) => tx.run(`UPDATE nodes SET rack = 'r2'`, []));
    await old.write((tx) => takeNodes(tx, [of.id], "old"));
    await old.write((tx) => saveNode(tx, nodeRow({ ...of, name: "renamed" }, 2)));
    expect(await getNode(next.read, of.id)).toMatchObject({ name: "renamed", owner: "old" });
    expect(await rackOf(old, of.id)).toBe("r2");
    await old.close();
    const again = await openDatabase(place.url);
    expect(again.epoch).toBe(next.epoch);
    // And it does not say for the newer one who may use its tables.
    await again.close();
    await (await openDatabase(place.url)).close();
    await next.close();
    await place.close();
  });

  test("conductors of both serve one fleet", async () => {
    const place = await empty();
    const [old, next] = [await openDatabase(place.url), await (await dbOf(additive.folder)).openDatabase(place.url)];
    const world = quiet();
    const made = { ...alone(), world, leaseSeconds: 30 };
    const first = await createConductorTier({ ...made, db: old, self: { id: "old" } });
    const second = await (await tierOf(additive.folder)).createConductorTier({
      ...made,
      db: next,
      self: { id: "next" },
    });
    await first.start();
    await second.start();
    const say = (id: string) => ({ status: "READY" as const, endpoint: "127.0.0.1:9", node: { id, name: id } });
    const [a, b] = [crypto.randomUUID(), crypto.randomUUID()];
    await first.hello(say(a), VISITOR);
    await second.hello(say(b), VISITOR);
    for (const each of [first, second])
      expect((await each.nodes({}, { limit: 9 })).nodes.map(({ id }) => id).toSorted()).toEqual([a, b].toSorted());
    expect((await first.conductors()).conductors.map(({ id, nodes }) => [id, nodes])).toEqual([
      ["next", 1],
      ["old", 1],
    ]);
    await first.stop();
    await second.stop();
    await old.close();
    await next.close();
    await place.close();
  });

  test("the older one does not start on tables that the newer one says it would not understand", async () => {
    const place = await empty();
    await (await openDatabase(place.url)).close();
    await (await (await dbOf(breaking.folder)).openDatabase(place.url)).close();
    await expect(openDatabase(place.url)).rejects.toThrow(
      `a newer Sinew has written this database: it has migration ${breaking.own}`,
    );
    await place.close();
  });
});
