import { describe, expect, test } from "bun:test";
import { openDatabase } from "../../src/db/database.ts";
import { changesSince, currentRevision } from "../../src/db/queries/changes.ts";
import { hardwareOfNode } from "../../src/db/queries/hardware.ts";
import { nodeRow, saveNode } from "../../src/db/queries/nodes.ts";
import { databases } from "../support/databases.ts";
import { device, node, saveReport } from "./rows.ts";

describe.each(databases)("the database on $name", ({ open }) => {
  test("a follower of the feed misses nothing while eight writers commit at once", async () => {
    const place = await open();
    const db = await openDatabase(place.url);
    const nodes = Array.from({ length: 8 }, () => node(crypto.randomUUID()));
    for (const each of nodes) await db.write((tx) => saveNode(tx, nodeRow(each, 1)));
    let writing = true;
    const written = Promise.all(
      nodes.map(async (of) => {
        for (let i = 0; i < 40; i++) {
          const devices = Array.from({ length: 1 + (i % 3) }, () => device(of));
          // Every tenth report fails after it took its numbers.
          const saving = db.write(async (tx) => {
            await saveReport(tx, devices);
            if (i % 10 === 9) throw new Error("no");
          });
          await saving.catch(() => {});
        }
      }),
    ).finally(() => {
      writing = false;
    });
    const seen: number[] = [];
    for (let last = 0; ; ) {
      const done = !writing;
      const page = await changesSince(db.read, last, 5);
      seen.push(...page.map(({ revision }) => revision));
      last = page.at(-1)?.revision ?? last;
      if (page.length === 0 && done) break;
      // SQLite answers without waiting for anything: whoever writes must have a turn.
      if (page.length === 0) await new Promise(setImmediate);
    }
    await written;
    const all = await changesSince(db.read, 0, 10_000);
    expect(seen).toEqual(all.map(({ revision }) => revision));
    const reports = (await Promise.all(nodes.map(({ id }) => hardwareOfNode(db.read, id)))).flat();
    expect(all.length).toBe(reports.length);
    expect(await currentRevision(db.read)).toBe(all.at(-1)!.revision);
    await db.close();
    await place.close();
  }, 60_000);

  test("a process killed while it writes loses nothing committed and leaves no half report", async () => {
    const place = await open();
    const id = crypto.randomUUID();
    const program = `
      import { openDatabase } from "${import.meta.dir}/../../src/db/database.ts";
      import { nodeRow, saveNode } from "${import.meta.dir}/../../src/db/queries/nodes.ts";
      import { device, node, saveReport } from "${import.meta.dir}/rows.ts";
      const db = await openDatabase(process.argv[1]);
      const of = node(process.argv[2]);
      await db.write((tx) => saveNode(tx, nodeRow(of, 1)));
      for (;;) {
        const first = await db.write((tx) => saveReport(tx, Array.from({ length: 100 }, () => device(of))));
        process.stdout.write("committed " + first + "\\n");
      }`;
    for (let round = 0; round < 3; round++) {
      const child = Bun.spawn([process.execPath, "-e", program, place.url, id], { stdout: "pipe", stderr: "inherit" });
      let output = "";
      const delay = 20 + round * 13;
      for await (const chunk of child.stdout.pipeThrough(new TextDecoderStream())) {
        if (output === "") setTimeout(() => child.kill("SIGKILL"), delay);
        output += chunk;
      }
      const committed = output
        .split("\n")
        .slice(0, -1)
        .map((line) => Number(line.split(" ")[1]));
      expect(committed.length).toBeGreaterThan(0);
      const db = await openDatabase(place.url);
      const devices = await hardwareOfNode(db.read, id);
      const revisions = new Set(devices.map(({ revision }) => revision));
      expect(committed.filter((first) => !revisions.has(first))).toEqual([]);
      expect(devices.length % 100).toBe(0);
      expect((await changesSince(db.read, 0, 1e6)).length).toBe(devices.length);
      expect(await currentRevision(db.read)).toBe(devices.length);
      await db.close();
    }
    await place.close();
  }, 60_000);
});
