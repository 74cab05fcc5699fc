import { describe, expect, test } from "bun:test";
import { databases } from "../support/databases.ts";
import { denoPath } from "../support/deno.ts";

/** Everything that a runtime's own SQLite driver could do differently. */
const PROGRAM = `
  import { currentRevision } from "./src/db/queries/changes.ts";
  import { openDatabase } from "./src/db/database.ts";
  import { hardwareOfNode } from "./src/db/queries/hardware.ts";
  import { countNodes, nodeRow, saveNode } from "./src/db/queries/nodes.ts";
  import { failedSources, replaceSources, sourceRow } from "./src/db/queries/sources.ts";
  import { device, node, saveReport } from "./test/db/rows.ts";
  const db = await openDatabase(Deno.args[0]);
  const of = node("n", { name: "its name" });
  await db.write(async (tx) => {
    await saveNode(tx, nodeRow(of, 2 ** 33));
    await saveReport(tx, Array.from({ length: 100 }, () => device(of)));
    const error = { code: "timeout", message: "slow" };
    const source = { name: "its source", type: null, endpoint: null, status: "STALE", observed_at: null, count: 1, error };
    await replaceSources(tx, of.id, [sourceRow(of.id, source)]);
  });
  const rolledBack = await db.write(async (tx) => {
    await saveNode(tx, nodeRow(node("other"), 1));
    await new Promise((resolve) => setTimeout(resolve, 5));
    throw new Error("no");
  }).catch((error) => error.message);
  const refused = await saveNode(db.read, nodeRow(of, 1)).catch((error) => error.message);
  const [source] = await failedSources(db.read, 10);
  console.log(JSON.stringify({
    rolledBack, refused: /read-?only/.test(refused), nodes: await countNodes(db.read), revision: await currentRevision(db.read),
    ready: (await hardwareOfNode(db.read, of.id)).map((row) => row.ready).every((ready) => ready === true),
    names: [source.name, source.node_name],
  }));
  await db.close();
`;

describe.each(databases)("openDatabase() under Deno on $name", ({ empty }) => {
  test.skipIf(!denoPath)(
    "reads and writes as under Bun",
    async () => {
      const place = await empty();
      const root = `${import.meta.dir}/../..`;
      const run = Bun.spawn([denoPath ?? "", "run", "-A", "--no-lock", "--ext=ts", "-", place.url], {
        cwd: root,
        stdin: new Blob([PROGRAM]),
        stdout: "pipe",
        stderr: "inherit",
      });
      const answer = await run.stdout.text();
      await place.close();
      expect(JSON.parse(answer)).toEqual({
        rolledBack: "no",
        refused: true,
        nodes: 1,
        revision: 100,
        ready: true,
        names: ["its source", "its name"],
      });
    },
    30_000,
  );
});
