import { expect, test } from "bun:test";
import { createConductor, openDatabase } from "../../../../src/index.ts";
import { databases } from "../../../support/databases.ts";
import { virtualWorld } from "../../../support/world.ts";
import { nodeOf, nth, source } from "./support.ts";

const DEVICES = 250;

test.each(databases)(
  "an agent whose devices all change at once, again and again, is asked no oftener than others can bear, on $name",
  async ({ open }) => {
    const place = await open();
    const db = await openDatabase(place.url);
    let generation = 1;
    let asked = 0;
    const report = () => {
      asked += 1;
      const hardware = Array.from({ length: DEVICES }, (_, n) => {
        return { uuid: nth(0, n), name: `card ${generation}`, source: "gpu", more: "x".repeat(2048) };
      });
      const text = { hardware, sources: [source("gpu", "OK", DEVICES)], generation: `g${generation}` };
      return Response.json(text, { headers: { etag: `W/"g${generation}"` } });
    };
    const { world, advance } = virtualWorld(async () => report());
    const conductor = await createConductor({ auth: "open", db, world });
    await conductor.start();
    const hello = async () => {
      const body = { status: "READY", endpoint: "127.0.0.1:1", node: nodeOf(0), generation: `g${generation}` };
      const answer = await conductor.fetch(
        new Request("http://conductor/hello", {
          method: "POST",
          headers: { "content-type": "application/json" },
          body: JSON.stringify({ ...body, api: { min: "1.0", max: "1.0" } }),
        }),
        { remoteAddress: "127.0.0.1" },
      );
      expect(answer.status).toBe(200);
    };
    const shown = async () => {
      const answer = await conductor.fetch(new Request("http://conductor/hardware?limit=1"), {
        remoteAddress: "127.0.0.1",
      });
      const { hardware } = (await answer.json()) as { hardware: { name: string }[] };
      return hardware[0]?.name;
    };
    const until = async (name: string) => {
      for (const end = performance.now() + 15_000; (await shown()) !== name; await advance(0)) {
        if (performance.now() > end) throw new Error(`never came: ${name}, there is ${await shown()}`);
        await Bun.sleep(2);
      }
    };
    try {
      await hello();
      await until("card 1");
      expect(asked).toBe(1);
      generation = 2;
      await hello();
      await advance(1_000);
      await hello();
      expect(asked).toBe(1);
      // Two milliseconds for each KiB that changed; nobody has to say it once more.
      await advance(500);
      await until("card 2");
      expect(asked).toBe(2);
    } finally {
      await conductor.stop();
      await db.close();
      await place.close();
    }
  },
);
