import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { alarmed, node } from "../../../support/alarms.ts";
import { databases } from "../../../support/databases.ts";

const MINUTE = 60_000;

describe.each(databases.slice(0, 1))("while an outage is open, on $name", ({ open }) => {
  let fleet: Awaited<ReturnType<typeof alarmed>>;
  beforeEach(async () => {
    fleet = await alarmed(open, ["target"]);
    await fleet.say(...nodes(1, 60, "LIVE"));
    await fleet.say(...nodes(1, 12, "LOST"));
    await fleet.becomes([OUTAGE], { state: "firing" });
    await fleet.pass(2 * MINUTE);
  });
  afterEach(() => fleet.close());

  const OUTAGE: [string, string, null] = ["agent.lost", "firing", null];
  const alone = (n: number): [string, string, string] => ["agent.lost", "firing", `n${n}`];
  const nodes = (from: number, to: number, state: "LIVE" | "LOST") =>
    Array.from({ length: to - from + 1 }, (_, index) => ({ node: node(from + index, { state }) }));
  const told = async () =>
    (await fleet.events()).map(({ type, data }) => [type.split(".")[2], data.node?.name ?? data.members?.total]);
  const members = async () => (await fleet.list({ state: "firing" })).find(({ node }) => node === null)?.members?.total;

  test("whoever is lost later, and alone, fires alone and is told; its members stay members, after a restart too", async () => {
    expect(await told()).toEqual([["firing", 12]]);
    await fleet.say(...nodes(20, 20, "LOST"));
    await fleet.becomes([OUTAGE, alone(20)], { state: "firing" });
    expect(await members()).toBe(12);
    await fleet.restart();
    await fleet.say(...nodes(21, 21, "LOST"));
    await fleet.becomes([OUTAGE, alone(20), alone(21)], { state: "firing" });
    expect(await members()).toBe(12);
    expect(await told()).toEqual([
      ["firing", 12],
      ["firing", "n20"],
      ["firing", "n21"],
    ]);
  });

  test("as many as would be an outage are members of it, which is told again", async () => {
    await fleet.say(...nodes(20, 22, "LOST"));
    await fleet.becomes([OUTAGE, alone(20), alone(21), alone(22)], { state: "firing" });
    await fleet.say(...nodes(23, 30, "LOST"));
    await fleet.becomes([OUTAGE], { state: "firing" });
    expect(await members()).toBe(23);
    expect((await told()).slice(4)).toEqual([
      ["resolved", "n20"],
      ["resolved", "n21"],
      ["resolved", "n22"],
      ["firing", 23],
    ]);
  });
});

describe.each(databases.slice(0, 1))("an outage on $name", ({ open }) => {
  test("counts those that fired alone just before it from its first word on", async () => {
    const fleet = await alarmed(open, ["target"]);
    try {
      const lost = (n: number) => ({ node: node(n, { state: "LOST" }) });
      await fleet.say(...Array.from({ length: 20 }, (_, n) => ({ node: node(n + 1) })));
      for (let n = 1; n <= 5; n += 1) {
        await fleet.say(lost(n));
        await fleet.pass(1_000);
      }
      await fleet.say(lost(6));
      await fleet.becomes([["agent.lost", "firing", null]], { state: "firing" });
      const outages = (await fleet.events()).filter(({ data }) => data.node === null);
      expect(outages.map(({ data }) => data.members?.total)).toEqual([6]);
    } finally {
      await fleet.close();
    }
  });
});
