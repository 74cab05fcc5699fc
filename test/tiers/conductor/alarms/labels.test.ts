import { expect, test } from "bun:test";
import { alarmed, condition, device, HOLD_MS, node } from "../../../support/alarms.ts";
import { databases } from "../../../support/databases.ts";

const sqlite = databases.slice(0, 1);
const rack = { rack: "7" };
const LOST = ["agent.lost", "firing", "n1"] as [string, string, string];

test.each(sqlite)("a window silences what fires by the labels that its node has now, on $name", async ({ open }) => {
  const fleet = await alarmed(open, ["target"]);
  const notified = async () => (await fleet.events()).map(({ type, data }) => [type.split(".")[2], data.silenced_by]);
  const silenced = async (by: string | null) => {
    for (let step = 0; step < 20 && (await fleet.list())[0]?.silenced_by !== by; step += 1) await fleet.pass(250);
    expect((await fleet.list())[0]?.silenced_by).toBe(by);
  };
  try {
    const lost = (labels: Record<string, string>) => fleet.say({ node: node(1, { state: "LOST", labels }) });
    await lost({});
    await fleet.becomes([LOST]);
    const ends_at = new Date(fleet.clock.world.now().getTime() + 3_600_000).toISOString();
    const window = await fleet.alarms.addWindow({ ends_at, matcher: { labels: rack } }, "ops");
    await fleet.pass(1_000);
    await silenced(null);
    await lost(rack);
    await silenced(window.id);
    await lost({});
    await silenced(null);
    // Somebody knows already.
    expect(await notified()).toEqual([["firing", null]]);
    // The same labels in another order are no others.
    await lost({ a: "1", b: "2" });
    await fleet.pass(1_000);
    const before = (await fleet.feed()).length;
    await lost({ b: "2", a: "1" });
    await fleet.pass(1_000);
    expect(await fleet.feed()).toHaveLength(before);
  } finally {
    await fleet.close();
  }
});

test.each(sqlite)("what becomes graver within a window is notified when that ends, on $name", async ({ open }) => {
  const fleet = await alarmed(open, ["target"]);
  try {
    const slow = condition("LinkFull", "false", "Narrow");
    const say = (...conditions: Parameters<typeof condition>[]) =>
      fleet.say({ node: node(1), devices: [device(1, "FRESH", slow, ...conditions.map((one) => condition(...one)))] });
    await say();
    await fleet.pass(HOLD_MS);
    await fleet.becomes([["hardware.unhealthy", "firing", "n1"]]);
    const ends_at = new Date(fleet.clock.world.now().getTime() + 60_000).toISOString();
    await fleet.alarms.addWindow({ ends_at, matcher: {} }, "ops");
    await fleet.pass(1_000);
    await say(["Responding", "false", "Hung"]);
    await fleet.pass(5_000);
    expect((await fleet.list())[0]).toMatchObject({ severity: "critical" });
    const severities = async () => (await fleet.events()).map(({ data }) => data.severity);
    expect(await severities()).toEqual(["warning"]);
    await fleet.pass(60_000);
    for (let step = 0; step < 20 && (await severities()).length < 2; step += 1) await fleet.pass(250);
    const last = (await fleet.events()).at(-1);
    expect([last?.data.severity, last?.formerseverity]).toEqual(["critical", "warning"]);
    // Less grave and grave once more is no news: whoever was notified knows the worst of it.
    await say();
    await fleet.pass(2_000);
    await say(["Responding", "false", "Hung"]);
    await fleet.pass(2_000);
    expect(await severities()).toEqual(["warning", "critical"]);
  } finally {
    await fleet.close();
  }
});
