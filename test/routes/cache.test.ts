import { expect, test } from "bun:test";
import { SinewError } from "../../src/contract/problem.ts";
import { openDatabase } from "../../src/db/database.ts";
import { createConductor } from "../../src/index.ts";
import { databases } from "../support/databases.ts";
import { quiet } from "../support/tiers.ts";

test.each(databases)(
  "GET /hardware on $name is a 503 problem while the database does not even say its revision (found by chaos)",
  async ({ open }) => {
    const database = await open();
    const db = await openDatabase(database.url);
    const away = () => Promise.reject(new SinewError("unavailable", "the database does not answer", { retryAfter: 1 }));
    const read = { ...db.read, query: away };
    const conductor = await createConductor({ auth: "open", db: { ...db, revision: away, read }, world: quiet() });
    const answer = await conductor.fetch(new Request("http://localhost/hardware?limit=10"));
    expect(answer.status).toBe(503);
    expect(answer.headers.get("content-type")).toContain("application/problem+json");
    expect(answer.headers.get("retry-after")).toBe("1");
    expect(await answer.json()).toMatchObject({ code: "unavailable" });
    await db.close();
    await database.close();
  },
);
