import { expect, test } from "bun:test";
import { alarmed, HOLD_MS, node, source } from "../../../support/alarms.ts";
import { databases } from "../../../support/databases.ts";

test.each(databases.slice(0, 1))(
  "alarms of a node are found by its id in either case, and by its name as it is, on $name",
  async ({ open }) => {
    const fleet = await alarmed(open);
    try {
      const id = "abcdefab-0000-4000-8000-00000000000a";
      await fleet.say({ node: node(1, { id, name: "Rack-7", state: "LOST" }) });
      await fleet.becomes([["agent.lost", "firing", "Rack-7"]]);
      const found = async (node: string) => (await fleet.list({ node })).length;
      expect(await Promise.all([id, id.toUpperCase(), "Rack-7", "rack-7"].map(found))).toEqual([1, 1, 1, 0]);
    } finally {
      await fleet.close();
    }
  },
);

test.each(databases.slice(0, 1))(
  "many sources of a node are 101 alarms, and the last names no devices, on $name",
  async ({ open }) => {
    const fleet = await alarmed(open);
    try {
      const sources = Array.from({ length: 150 }, (_, n) => source({ name: `s${n}`, status: "NEVER" }));
      await fleet.say({ node: node(1), sources });
      await fleet.pass(HOLD_MS);
      await fleet.becomes(
        Array.from({ length: 101 }, () => ["source.failed", "firing", "n1"] as [string, string, string]),
      );
      const [many] = (await fleet.list()).filter(({ source }) => source === null);
      expect(many).toMatchObject({ reason: "Many", devices: { total: 0 } });
    } finally {
      await fleet.close();
    }
  },
);
