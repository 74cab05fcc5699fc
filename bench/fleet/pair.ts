import { readFileSync } from "node:fs";
import { type Row, row, spread } from "../measure.ts";
import { withPeers } from "../peers.ts";
import { conductor } from "./conductor.ts";
import { DEVICES } from "./device.ts";
import { complete, ELSEWHERE, keysOf, specOf, upSince } from "./scenario.ts";
import { openStore } from "./store.ts";

const AGENTS = new URL("./agents.ts", import.meta.url).pathname;
/** A conductor's own lease among the others (docs/postgresql.md), and what is allowed on top. */
const TTL_S = 10;
const GIVE_UP_MS = 60_000;

/** Two conductors on one PostgreSQL, half of the agents each; then one is killed. */
export async function pair(db: string, agents: number, say: (text: string) => void): Promise<Row[]> {
  const both = [conductor({ db }), conductor({ db })] as const;
  for (const one of both) {
    await one.start();
    await one.stop();
  }
  const store = await openStore(db);
  try {
    return await withPeers(async (start) => {
      const fleet = start(AGENTS, [JSON.stringify(await specOf([...both], agents))], ELSEWHERE);
      await fleet.told("keys", agents);
      await store.join(JSON.parse(readFileSync(keysOf(both[0]), "utf8")));
      const ready = Math.max(...(await Promise.all(both.map((one) => one.start()))));
      fleet.write("dial\n");
      const linksMs = (await upSince(fleet, agents, ready)) - ready;
      const inventoryMs = (await complete(store, agents * DEVICES)) - ready;
      say(`two conductors: inventory is complete after ${inventoryMs.toFixed(0)} ms`);
      await Bun.sleep(3_000);
      const dead = await store.ownerOf(0);
      const theirs = await store.owned(dead);
      const killed = Date.now();
      await both[0].kill();
      while ((await store.owned(dead)) > 0) {
        if (Date.now() - killed > GIVE_UP_MS)
          throw new Error(`${await store.owned(dead)} nodes are a dead conductor's`);
        await Bun.sleep(50);
      }
      const taken = Date.now() - killed;
      say(`${theirs} agents of a dead conductor are taken over after ${taken} ms`);
      const block = both[1].longestBlock(killed, Date.now());
      const what = (text: string) => `PostgreSQL, two conductors, ${agents} agents: ${text}`;
      const note = "both on the one core";
      return [
        row({ what: what("start to all links up"), unit: "s", ours: spread([linksMs / 1000]), note }),
        row({ what: what("start to all devices"), unit: "s", ours: spread([inventoryMs / 1000]), note }),
        row({
          what: what("a dead one's agents taken over"),
          unit: "s",
          ours: spread([taken / 1000]),
          target: { of: "ours", limit: "at most", value: TTL_S + 1 },
          note: `${theirs} agents; kill -9; a conductor's lease is ${TTL_S} s`,
        }),
        row({
          what: what("longest block of the other's event loop meanwhile"),
          unit: "ms",
          ours: spread([block]),
          target: { of: "ours", limit: "at most", value: 50 },
        }),
        row({
          what: what("said to be LOST all the time"),
          unit: "nodes",
          ours: spread([await store.lost()]),
          target: { of: "ours", limit: "at most", value: 0 },
        }),
      ];
    });
  } finally {
    await Promise.all(both.map((one) => one.kill()));
    await store.close();
  }
}
