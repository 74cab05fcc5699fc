import { describe, expect, test } from "bun:test";
import { makeNodeKey, readNodeKey } from "../../../../src/auth/node-key.ts";
import { openLink } from "../../../../src/client/link/handshake.ts";
import type { Socket } from "../../../../src/client/link/socket.ts";
import { saveNode } from "../../../../src/db/queries/nodes.ts";
import { createConductor, openDatabase } from "../../../../src/index.ts";
import { memoryPair } from "../../../client/link/sockets.ts";
import { counted } from "../../../support/counted.ts";
import { databases } from "../../../support/databases.ts";
import { virtualWorld } from "../../../support/world.ts";
import { nodeOf, nth, source, TIME } from "./support.ts";

const NODES = 20;
/** The first one has joined, and holds a link; the others call over HTTP. */
const LINKED = nodeOf(0);
const ID = "3f0e9b52-7be1-4f0e-8a5f-3f1f0c6b7a11";
const ofInventory = (text: string) => /"(hardware|sources|changes)"/.test(text);
const ofLeases = (text: string) => /^update "nodes"/i.test(text);

const report = (n: number, generation: string) =>
  Response.json(
    { hardware: [{ uuid: nth(0, n), name: "card", source: "gpu" }], sources: [source("gpu", "OK", 1)], generation },
    { headers: { etag: `W/"${generation}"` } },
  );
const helloOf = (n: number, generation: string) => ({
  method: "POST",
  headers: { "content-type": "application/json" },
  body: JSON.stringify({
    ...{
      status: "READY",
      endpoint: n === 0 ? ":1" : `127.0.0.1:${n}`,
      node: nodeOf(n),
      generation,
      boot_id: `boot ${n}`,
    },
    api: { min: "1.0", max: "1.0" },
  }),
});

describe.each(databases)("a hello that says what the last one said, on $name", ({ open }) => {
  test("asks nothing of the inventory, and the leases of all are one batch a second", async () => {
    const place = await open();
    const opened = await openDatabase(place.url);
    const { db, statements } = counted(opened);
    let generation = "g1";
    const { world, advance } = virtualWorld(async (url) => report(Number(new URL(`${url}`).port), generation));
    const key = await readNodeKey(await makeNodeKey());
    await db.write((tx) =>
      saveNode(tx, {
        ...LINKED,
        ...{ state: "LEFT", labels: "{}", endpoint: null, last_seen: TIME, api: null, generation: null, boot_id: null },
        ...{ first_seen: TIME, key: key.thumbprint, conditions: null, reported: null, revision: 0 },
      }),
    );
    const conductor = await createConductor({ auth: "open", db, world, id: ID, leaseSeconds: 30 });
    await conductor.start();
    const [near, far] = memoryPair();
    await conductor.fetch(new Request("http://conductor/link"), {
      remoteAddress: "127.0.0.1",
      upgrade(accept: (socket: Socket) => void) {
        accept(far);
        return new Response();
      },
    });
    const link = await openLink(near, {
      prove: ({ nonce, conductor: to }) => key.sign({ sub: LINKED.id, aud: `link ${to}`, nonce, boot: "boot 0" }),
      handle: () => report(0, generation),
      world,
    });
    const say = async (n: number) => {
      const url = "http://conductor/hello";
      const answer = await (n === 0
        ? link.fetch(url, helloOf(n, generation))
        : conductor.fetch(new Request(url, helloOf(n, generation)), { remoteAddress: "127.0.0.1" }));
      expect(await answer.json()).toMatchObject({ status: "REGISTERED" });
    };
    const sayAll = async () => {
      for (let n = 0; n < NODES; n += 1) await say(n);
    };
    /** I/O is real: it is looked again until what was begun has come, and no time passes meanwhile but what is said. */
    const until = async (come: () => Promise<boolean> | boolean, ms = 0) => {
      for (const end = performance.now() + 15_000; !(await come()); await Bun.sleep(2)) {
        if (performance.now() > end) throw new Error(`never came: ${come}`);
        await advance(ms);
      }
    };
    // A count whose statements took long is only then followed by the next one's timer.
    const leases = () => until(() => statements.some(ofLeases), 100);
    const known = async () => {
      const listed = await conductor.fetch(new Request("http://conductor/hardware"), { remoteAddress: "127.0.0.1" });
      const { hardware } = (await listed.json()) as { hardware: { freshness: string }[] };
      return hardware.filter(({ freshness }) => freshness === "FRESH").length;
    };

    try {
      await sayAll();
      await until(async () => (await known()) === NODES);
      // What follows from it is done: alarms, and the feed's own looks.
      for (let second = 0; second < 3; second += 1) {
        await sayAll();
        statements.length = 0;
        await advance(1_000);
        await leases();
      }
      // A look that was begun may be under way still.
      let before = -1;
      await until(async () => {
        const quiet = statements.length === before;
        before = statements.length;
        if (!quiet) await Bun.sleep(100);
        return quiet;
      });
      statements.length = 0;
      for (let round = 0; round < 3; round += 1) await sayAll();
      expect(statements).toEqual([]);
      for (let second = 0; second < 3; second += 1) {
        statements.length = 0;
        await sayAll();
        await advance(1_000);
        await leases();
        expect(statements.filter(ofLeases)).toHaveLength(1);
        expect(statements.filter(ofInventory)).toEqual([]);
      }
      // That the statements of a change are seen here.
      generation = "g2";
      for (const n of [0, 1]) {
        statements.length = 0;
        await say(n);
        await until(() => statements.some(ofInventory));
      }
    } finally {
      link.close("done");
      await conductor.stop();
      await opened.close();
      await place.close();
    }
  });
});
