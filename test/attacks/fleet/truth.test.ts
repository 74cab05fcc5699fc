import { expect, test } from "bun:test";
import fc from "fast-check";
import { openDatabase } from "../../../src/db/database.ts";
import { createFeed } from "../../../src/tiers/conductor/feed/feed.ts";
import { createReads } from "../../../src/tiers/conductor/reads.ts";
import { databases } from "../../support/databases.ts";
import { eventsOf } from "../../support/events.ts";
import { quiet, until } from "../../support/tiers.ts";
import { addNode } from "../../tiers/conductor/inventory/support.ts";

type Device = { uuid: string; source: string; node: { id: string } };
type Read = { id: number; hardware: Device | null };
const keyOf = ({ node, source, uuid }: Device) => `${node.id} ${source} ${uuid}`;
const writer = new URL("writer.ts", import.meta.url).pathname;

test.each(databases)(
  "who lists and then follows holds the truth at every revision read, on $name",
  async ({ open }) => {
    const history = fc.record({
      seeds: fc.array(fc.integer({ min: 1, max: 1e6 }), { minLength: 2, maxLength: 2 }),
      ms: fc.integer({ min: 20, max: 150 }),
      limit: fc.integer({ min: 1, max: 7 }),
    });
    await fc.assert(
      fc.asyncProperty(history, async ({ seeds, ms, limit }) => {
        const database = await open();
        const db = await openDatabase(database.url);
        const feed = createFeed(db, quiet());
        const reads = createReads(db, quiet());
        for (let n = 0; n < 6; n += 1) await addNode(db, n);
        const writers = seeds.map((seed) =>
          Bun.spawn([process.execPath, writer, database.url, `${seed}`], {
            stdin: "ignore",
            stdout: "ignore",
            stderr: "ignore",
          }),
        );
        try {
          await until("the first devices", async () => (await db.revision()) > 30);
          // A list of many pages, while others write.
          const held = new Map<string, unknown>();
          let first: number | null = null;
          let last = 0;
          for (let page_token: string | undefined; ; ) {
            const { text, revision } = await reads.hardware({}, { limit, ...(page_token && { page_token }) });
            const page = JSON.parse(text);
            for (const device of page.hardware) held.set(keyOf(device), device);
            first ??= revision;
            last = revision;
            page_token = page.next_page_token;
            if (!page_token) break;
          }
          // What was so at one moment, some times meanwhile: each is one statement of its own.
          const truths: { revision: number; hardware: Device[] }[] = [];
          const stream = eventsOf(await feed.follow(first ?? 0, {}));
          for (let look = 0; look < 5; look += 1) {
            await Bun.sleep(ms / 5);
            truths.push(JSON.parse((await reads.hardware({}, { limit: 1_000 })).text));
          }
          for (const one of writers) one.kill("SIGKILL");
          await Promise.all(writers.map(({ exited }) => exited));
          truths.push(JSON.parse((await reads.hardware({}, { limit: 1_000 })).text));
          let at = first ?? 0;
          let pending: Read | null = null;
          for (const { revision, hardware } of truths) {
            const end = Math.max(revision, last);
            while (at < end) {
              const next: Read = pending ?? (await read(stream));
              pending = next.id > revision && revision >= last ? next : null;
              if (pending) break;
              expect(next.id).toBeGreaterThan(at);
              at = next.id;
              if (next.hardware) held.set(keyOf(next.hardware), next.hardware);
              if (at >= revision && at >= last) break;
            }
            if (at !== revision) continue;
            expect(Object.fromEntries(held)).toEqual(Object.fromEntries(hardware.map((one) => [keyOf(one), one])));
          }
          expect(at).toBe(truths.at(-1)?.revision ?? -1);
        } finally {
          for (const one of writers) one.kill("SIGKILL");
          feed.stop();
          await db.close();
          await database.close();
        }
      }),
      { numRuns: 3 },
    );
  },
  120_000,
);

async function read(stream: ReturnType<typeof eventsOf>): Promise<Read> {
  for (;;) {
    const { value, done } = await stream.next();
    if (done) throw new Error("the stream has ended");
    if (value.id !== null) return { id: Number(value.id), hardware: JSON.parse(value.data).hardware };
  }
}
