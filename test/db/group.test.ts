import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openDriver, type SqliteDriver } from "../../src/db/sqlite/driver.ts";
import { createGroups, type Groups } from "../../src/db/sqlite/group.ts";

describe("writes of one turn", () => {
  let folder: string;
  let driver: SqliteDriver;
  let groups: Groups;
  let said: string[];
  let committed: number;
  /** Statements that fail from now on. */
  let failing: RegExp | null;

  const insert = (n: number) => async () => {
    driver.prepare("INSERT INTO t VALUES (?)")([n]);
    await Promise.resolve();
    return n;
  };
  const rows = () =>
    driver
      .prepare("SELECT n FROM t ORDER BY n")([])
      .map(([n]) => n);
  const outcomes = async (writes: Promise<unknown>[]) =>
    (await Promise.allSettled(writes)).map((one) => (one.status === "fulfilled" ? one.value : String(one.reason)));

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "sinew-group-"));
    driver = await openDriver(join(folder, "db"));
    driver.exec("CREATE TABLE t (n integer PRIMARY KEY)");
    said = [];
    committed = 0;
    failing = null;
    const exec = (text: string) => {
      said.push(text);
      if (failing?.test(text)) throw new Error(`no ${text}`);
      driver.exec(text);
    };
    groups = createGroups({ exec }, () => {
      committed += 1;
    });
  });
  afterEach(async () => {
    await groups.idle();
    driver.close();
    await rm(folder, { recursive: true });
  });

  test("share a commit, in order; a single one needs no savepoint", async () => {
    expect(await groups.write(insert(0))).toBe(0);
    expect(said).toEqual(["BEGIN IMMEDIATE", "COMMIT"]);
    await groups.idle();
    const order: number[] = [];
    const writes = [1, 2, 3, 4].map((n) => groups.write(insert(n)).then((done) => order.push(done)));
    await Promise.all(writes);
    expect(order).toEqual([1, 2, 3, 4]);
    // The first did not wait for the others.
    expect(said.filter((text) => text === "COMMIT")).toHaveLength(3);
    expect(said.filter((text) => text.startsWith("SAVEPOINT"))).toHaveLength(3);
    expect(committed).toBe(3);
    expect(rows()).toEqual([0, 1, 2, 3, 4]);
  });

  test("fail alone: what one did is undone, and the others stay", async () => {
    const halfway = async () => {
      await insert(7)();
      throw new Error("changed its mind");
    };
    const writes = [insert(1), insert(2), halfway, insert(2), insert(3)].map((work) => groups.write(work));
    const [first, second, third, fourth, fifth] = await outcomes(writes);
    expect([first, second, third, fifth]).toEqual([1, 2, "Error: changed its mind", 3]);
    expect(fourth).toContain("UNIQUE");
    expect(rows()).toEqual([1, 2, 3]);
  });

  test("are each told by themselves where their commit fails", async () => {
    await groups.write(insert(0));
    await groups.idle();
    let tries = 0;
    const writes = [groups.write(insert(1))];
    const count = async () => {
      tries += 1;
      return insert(2)();
    };
    writes.push(groups.write(count), groups.write(insert(3)));
    await writes[0];
    failing = /COMMIT/;
    const told = outcomes(writes);
    await groups.idle();
    expect(await told).toEqual([1, "Error: no COMMIT", "Error: no COMMIT"]);
    expect(tries).toBe(2);
    failing = null;
    expect(rows()).toEqual([0, 1]);
    expect(await groups.write(insert(4))).toBe(4);
  });

  test("are told where no transaction can begin, and none waits for ever", async () => {
    failing = /BEGIN/;
    expect(await outcomes([1, 2, 3, 4].map((n) => groups.write(insert(n))))).toEqual(
      Array(4).fill("Error: no BEGIN IMMEDIATE"),
    );
    failing = null;
    expect(await groups.write(insert(5))).toBe(5);
    expect(rows()).toEqual([5]);
  });

  test("are whole where SQLite itself rolls a transaction back in the middle", async () => {
    const breaking = async () => {
      await insert(2)();
      driver.exec("ROLLBACK");
      throw new Error("the disk is full");
    };
    const told = await outcomes([insert(0), insert(1), breaking, insert(3)].map((work) => groups.write(work)));
    expect([told[0], told[1], told[3]]).toEqual([0, 1, 3]);
    expect(told[2]).toBe("Error: the disk is full");
    expect(rows()).toEqual([0, 1, 3]);
  });
});
