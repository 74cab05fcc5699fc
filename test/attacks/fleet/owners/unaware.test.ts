import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { makeNodeKey, type NodeKey, readNodeKey } from "../../../../src/auth/node-key.ts";
import { openLink } from "../../../../src/client/link/handshake.ts";
import { setKey } from "../../../../src/db/queries/keys.ts";
import { memoryPair } from "../../../client/link/sockets.ts";
import { VISITOR } from "../../../support/callers.ts";
import { databases, type TestDatabase } from "../../../support/databases.ts";
import { becomes, DEVICE, hello, type Member, member, NODE, nodeAt, pass, report, TTL } from "./support.ts";

describe.each(databases)(
  "a node that another conductor had, unseen by the one that has it again, on $name",
  ({ open }) => {
    let database: TestDatabase;
    let a: Member;
    let b: Member;
    let all: Member[];

    const owner = async () => (await nodeAt(b.db))?.owner;
    const fresh = async () => JSON.parse((await b.conductor.hardware({}, { limit: 9 })).text).hardware[0]?.freshness;

    beforeEach(async () => {
      database = await open();
      a = await member(database.url, "a");
      b = await member(database.url, "b");
      all = [a, b];
      await pass(all, 1);
      await b.conductor.hello(hello(), VISITOR);
      await pass(all, 1);
      expect([await owner(), await fresh()]).toEqual(["b", "FRESH"]);
    });
    afterEach(async () => {
      for (const { conductor, db } of all) {
        await conductor.stop();
        await db.close();
      }
      await database.close();
    });

    async function dial({ conductor, clock }: Member, key: NodeKey, answer: () => Response) {
      const [near, far] = memoryPair();
      conductor.accept(far);
      await openLink(near, {
        prove: ({ nonce, conductor }) => key.sign({ sub: NODE.id, aud: `link ${conductor}`, nonce, boot: "b1" }),
        handle: answer,
        world: clock.world,
      });
      return near;
    }

    test("is asked for all that it has when that one has left", async () => {
      a.answer = null;
      await a.conductor.hello(hello({ generation: "g2" }), VISITOR);
      await a.conductor.settled();
      expect([await owner(), await fresh()]).toEqual(["a", "STALE"]);
      await a.conductor.stop();
      all = [b];
      await becomes(all, async () => (await owner()) === "b");
      await b.conductor.hello(hello(), VISITOR);
      await becomes(all, async () => (await fresh()) === "FRESH");
    });

    test("is asked for all that it has when what it says on its link makes it its own (found by simulation)", async () => {
      const key = await readNodeKey(await makeNodeKey());
      await b.db.write((tx) => setKey(tx, NODE.id, null, key.thumbprint));
      const from = { caller: { role: "agent", name: "node", node: NODE.id }, remoteAddress: null } as const;
      await dial(b, key, () => Response.json(report("g1", DEVICE)));
      await b.conductor.hello(hello({ boot_id: "b1" }), from);
      await pass(all, 1);
      // What is left of an older link: its hello waited in the socket of one that stood still.
      await dial(a, key, () => new Response(null, { status: 502 }));
      await a.conductor.hello(hello({ boot_id: "b1" }), from);
      await a.conductor.settled();
      expect([await owner(), await fresh()]).toEqual(["a", "STALE"]);
      await b.conductor.hello(hello({ boot_id: "b1", node: { ...NODE, labels: { rack: "7" } } }), from);
      expect(await owner()).toBe("b");
      await becomes(all, async () => (await fresh()) === "FRESH");
    });

    test("is LOST two leases after it was heard though its link ends meanwhile (found by simulation)", async () => {
      await a.conductor.hello(hello({ generation: "g2" }), VISITOR);
      await pass(all, TTL / 2);
      expect(await owner()).toBe("a");
      const key = await readNodeKey(await makeNodeKey());
      await b.db.write((tx) => setKey(tx, NODE.id, null, key.thumbprint));
      const from = { caller: { role: "agent", name: "node", node: NODE.id }, remoteAddress: null } as const;
      const link = await dial(b, key, () => Response.json(report("g1", DEVICE)));
      await b.conductor.hello(hello({ boot_id: "b1" }), from);
      await pass(all, TTL - 1);
      expect(await owner()).toBe("b");
      link.vanish("the connection was reset");
      await pass(all, TTL + 3);
      expect((await nodeAt(b.db))?.state).toBe("LOST");
    });
  },
);
