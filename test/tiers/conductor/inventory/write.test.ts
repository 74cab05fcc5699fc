import { describe, expect, test } from "bun:test";
import { openDatabase } from "../../../../src/db/database.ts";
import { getNode } from "../../../../src/db/queries/nodes.ts";
import { writeState } from "../../../../src/tiers/conductor/inventory/write.ts";
import { databases } from "../../../support/databases.ts";

const NODE = {
  ...{ id: "6f1a3f0e-9f57-4c8e-8f5e-0d0c1a2b3c4d", name: "n1", state: "LIVE", labels: "{}", endpoint: null },
  ...{ last_seen: null, api: null, generation: null, boot_id: null, first_seen: "2026-01-01T00:00:00Z", key: null },
  conditions: null,
};
const options = { now: "2026-01-01T00:00:00Z", devices: "keep" } as const;

describe.each(databases)("writeState() on $name", ({ open }) => {
  test("says whose a node was, and writes nothing where that turns out to be wrong while it is written", async () => {
    const database = await open();
    const db = await openDatabase(database.url);
    expect(await writeState(db, NODE, { ...options, owner: "a" })).toMatchObject({ owned: "taken" });
    expect(await writeState(db, { ...NODE, state: "LATE" }, { ...options, owner: "a", held: true })).toMatchObject({
      owned: "own",
    });
    expect(await writeState(db, { ...NODE, state: "LOST" }, { ...options, owner: "b", held: true })).toBeNull();
    const heard = { ...options, owner: "a", held: true, unless: () => true };
    expect(await writeState(db, { ...NODE, state: "LOST" }, heard)).toBeNull();
    expect(await getNode(db.read, NODE.id)).toMatchObject({ owner: "a", state: "LATE" });
    expect(await writeState(db, { ...NODE, state: "LATE" }, { ...options, owner: "b" })).toMatchObject({
      owned: "taken",
    });
    expect(await getNode(db.read, NODE.id)).toMatchObject({ owner: "b" });
    await db.close();
    await database.close();
  });
});
