import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { type Database, openDatabase, type Writer } from "../../src/db/database.ts";
import { nodesById, seenByName } from "../../src/db/queries/fleet/expected.ts";
import { takeNodes } from "../../src/db/queries/fleet/owners.ts";
import { dropRequests } from "../../src/db/queries/fleet/requests.ts";
import { keysOf } from "../../src/db/queries/keys.ts";
import { runningOperation, saveOperation } from "../../src/db/queries/operations.ts";
import { changeSources, sourceRow } from "../../src/db/queries/sources.ts";
import { counted } from "../support/counted.ts";
import { databases, type TestDatabase } from "../support/databases.ts";
import { TIME } from "./rows.ts";

describe.each(databases)("statements on $name", ({ open }) => {
  let place: TestDatabase;
  let db: Database;
  beforeAll(async () => {
    place = await open();
    db = await openDatabase(place.url);
  });
  afterAll(async () => {
    await db.close();
    await place.close();
  });
  const source = (name: string) =>
    sourceRow("n", {
      ...{ name, type: "GPU", endpoint: null, status: "OK", observed_at: null, count: 0, error: null },
    });

  // A server keeps each text, on each connection, until that ends.
  const asked: [string, (tx: Writer, keys: string[]) => Promise<unknown>][] = [
    ["takeNodes", (tx, keys) => takeNodes(tx, keys, "a")],
    ["nodesById", nodesById],
    ["seenByName", seenByName],
    ["keysOf", keysOf],
    ["dropRequests", dropRequests],
    [
      "changeSources",
      (tx, keys) => changeSources(tx, [{ node_id: "n", before: keys.map((name) => source(name)), after: [] }]),
    ],
    ["runningOperation", (tx, keys) => runningOperation(tx, "discovery", keys.join())],
  ];
  test.each(asked)("%s has few texts, whatever it is asked for", async (_, ask) => {
    const { db: own, statements } = counted(db);
    await own.write(async (tx) => {
      for (let count = 1; count <= 64; count += 1)
        await ask(
          tx,
          Array.from({ length: count }, (_, n) => `k${n}`),
        );
    });
    const texts = new Set(statements.filter((text) => text !== "BEGIN"));
    expect(texts.size).toBeGreaterThan(0);
    expect(texts.size).toBeLessThanOrEqual(7);
  });

  test("runningOperation() finds one whose scope holds letters of any size", async () => {
    const scope = JSON.stringify({ labels: { "größe 🦜": "🦜🦜" } });
    const operation = {
      ...{ uuid: crypto.randomUUID(), kind: "discovery", status: "IN-PROGRESS" as const },
      ...{ started_at: TIME, finished_at: null, children: [] },
    };
    await db.write((tx) => saveOperation(tx, operation, { owner: "a", request: { scope, keys: [] } }));
    expect((await runningOperation(db.read, "discovery", scope))?.uuid).toBe(operation.uuid);
    expect(await runningOperation(db.read, "discovery", `${scope}x`)).toBeNull();
  });
});
