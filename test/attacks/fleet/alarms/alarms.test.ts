import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { alarmed, condition, device, HOLD_MS, id, node, source } from "../../../support/alarms.ts";
import { databases } from "../../../support/databases.ts";

describe.each(databases)("alarms on $name", ({ open }) => {
  let fleet: Awaited<ReturnType<typeof alarmed>>;
  beforeEach(async () => {
    fleet = await alarmed(open, ["target"]);
  });
  afterEach(() => fleet.close());

  const told = async () => (await fleet.events()).map(({ type, data }) => [type.split(".")[2], data.kind]);

  test("a LOST node fires at once and is resolved at once when it is back, under one fingerprint each time", async () => {
    await fleet.say({ node: node(1, { state: "LOST" }), devices: [device(1, "STALE")] });
    const [first] = await fleet.becomes([["agent.lost", "firing", "n1"]]);
    expect(first).toMatchObject({ severity: "critical", reason: "Silent", devices: { total: 1 }, node: { id: id(1) } });
    await fleet.say({ node: node(1) });
    const [over] = await fleet.becomes([["agent.lost", "resolved", "n1"]]);
    expect(over).toMatchObject({ id: first?.id ?? "", fingerprint: first?.fingerprint ?? "" });
    await fleet.say({ node: node(1, { state: "LOST" }) });
    const [again] = await fleet.becomes([
      ["agent.lost", "firing", "n1"],
      ["agent.lost", "resolved", "n1"],
    ]);
    expect(again?.fingerprint).toBe(first?.fingerprint ?? "");
    expect(again?.id).not.toBe(first?.id);
    expect(await told()).toEqual([
      ["firing", "agent.lost"],
      ["resolved", "agent.lost"],
      ["firing", "agent.lost"],
    ]);
    // The feed has each transition, with the alarm as of its revision.
    expect((await fleet.feed()).map(({ state }) => state)).toEqual(["firing", "resolved", "firing"]);
    const events = await fleet.events();
    expect(new Set(events.map(({ id }) => id)).size).toBe(3);
    expect(events.map(({ data }) => data)).toEqual(await fleet.feed());
  });

  test("a failed source is pending until it has failed for the hold, and clears after as long", async () => {
    const failed = source({ status: "STALE", error: { code: "unreachable", message: "refused" } });
    await fleet.say({ node: node(1), sources: [failed] });
    await fleet.becomes([["source.failed", "pending", "n1"]], { state: "pending" });
    expect(await fleet.list()).toEqual([]);
    await fleet.pass(HOLD_MS - 5_000);
    expect(await fleet.list()).toEqual([]);
    await fleet.pass(5_000);
    await fleet.becomes([["source.failed", "firing", "n1"]]);
    await fleet.say({ node: node(1), sources: [source()] });
    await fleet.pass(HOLD_MS - 5_000);
    expect((await fleet.list())[0]?.state).toBe("firing");
    // It comes back before it was over for long enough: the same alarm goes on, and nobody hears of it.
    await fleet.say({ node: node(1), sources: [failed] });
    await fleet.pass(2 * HOLD_MS);
    await fleet.becomes([["source.failed", "firing", "n1"]]);
    await fleet.say({ node: node(1), sources: [source()] });
    await fleet.pass(HOLD_MS);
    await fleet.becomes([["source.failed", "resolved", "n1"]]);
    expect(await told()).toEqual([
      ["firing", "source.failed"],
      ["resolved", "source.failed"],
    ]);
  });

  test("what comes and goes within the hold leaves nothing, and is told nobody", async () => {
    await fleet.say({ node: node(1), sources: [source({ status: "STALE" })] });
    await fleet.becomes([["source.failed", "pending", "n1"]], { state: "pending" });
    await fleet.say({ node: node(1), sources: [source()] });
    await fleet.becomes([], { state: "pending" });
    await fleet.pass(2 * HOLD_MS);
    expect(await fleet.list()).toEqual([]);
    expect(await told()).toEqual([]);
  });

  test("after a restart a hold begins anew, and what fires goes on to fire", async () => {
    await fleet.say(
      { node: node(1), sources: [source({ status: "STALE" })] },
      { node: node(2, { state: "CONFLICT" }) },
    );
    await fleet.becomes([["agent.conflict", "firing", "n2"]]);
    await fleet.pass(HOLD_MS / 2);
    // The process was away for hours; what it saw before counts no more.
    fleet.clock.suspend(10 * HOLD_MS);
    await fleet.restart();
    await fleet.pass(HOLD_MS / 2);
    await fleet.becomes([["agent.conflict", "firing", "n2"]]);
    await fleet.pass(HOLD_MS / 2);
    await fleet.becomes([
      ["agent.conflict", "firing", "n2"],
      ["source.failed", "firing", "n1"],
    ]);
    expect(await told()).toHaveLength(2);
  });

  test("a lost node's sources and devices are no alarms of their own, and those that were go on", async () => {
    const ill = condition("Responding", "false", "AllOnes");
    await fleet.say({ node: node(1), devices: [device(1, "FRESH", ill)] });
    await fleet.pass(HOLD_MS);
    const [unhealthy] = await fleet.becomes([["hardware.unhealthy", "firing", "n1"]]);
    expect(unhealthy).toMatchObject({ severity: "critical", reason: "AllOnes", source: "crypto" });
    const stale = source({ status: "STALE", error: { code: "unreachable", message: "node n1 is LOST" } });
    await fleet.say({ node: node(1, { state: "LOST" }), sources: [stale], devices: [device(1, "STALE", ill)] });
    await fleet.pass(3 * HOLD_MS);
    await fleet.becomes([
      ["agent.lost", "firing", "n1"],
      ["hardware.unhealthy", "firing", "n1"],
    ]);
    await fleet.say({ node: node(1, { state: "LEFT" }) });
    await fleet.becomes([], { state: "firing" });
  });

  test("a device that is gone is missing, unless its node says that what is to be there is", async () => {
    const gone = device(1, "GONE", condition("Present", "false", "Gone"));
    await fleet.say({ node: node(1), devices: [gone] });
    await fleet.pass(HOLD_MS);
    const [missing] = await fleet.becomes([["hardware.missing", "firing", "n1"]]);
    expect(missing).toMatchObject({ uuid: gone.uuid, reason: "Gone", devices: { total: 1, uuids: [gone.uuid] } });
    await fleet.say({ node: node(1, { conditions: [condition("HardwarePresent", "true")] }) });
    await fleet.pass(HOLD_MS);
    await fleet.becomes([["hardware.missing", "resolved", "n1"]]);
    // One alarm of the node names it, where the node misses it.
    await fleet.say({ node: node(1, { conditions: [condition("HardwarePresent", "false", "HardwareMissing")] }) });
    await fleet.pass(HOLD_MS);
    const [node1] = await fleet.becomes([["hardware.missing", "firing", "n1"]], { state: "firing" });
    expect(node1).toMatchObject({ uuid: null, reason: "HardwareMissing", devices: { total: 1, uuids: [gone.uuid] } });
  });

  test("a link that lost lanes is a warning, and becomes critical with its device's silence: that is told", async () => {
    const slow = condition("LinkFull", "false", "Narrow");
    await fleet.say({ node: node(1), devices: [device(1, "FRESH", slow)] });
    await fleet.pass(HOLD_MS);
    expect((await fleet.becomes([["hardware.unhealthy", "firing", "n1"]]))[0]?.severity).toBe("warning");
    await fleet.say({ node: node(1), devices: [device(1, "FRESH", slow, condition("Responding", "false", "Hung"))] });
    const end = performance.now() + 10_000;
    while ((await fleet.list())[0]?.severity !== "critical" && performance.now() < end) await fleet.pass(250);
    expect((await fleet.events()).map(({ data }) => [data.severity, data.reason])).toEqual([
      ["warning", "Narrow"],
      ["critical", "Hung"],
    ]);
  });

  test("two evaluators on one database write each transition once", async () => {
    const other = fleet.evaluator();
    other.start();
    try {
      for (let round = 0; round < 3; round += 1) {
        await fleet.say({ node: node(1, { state: "LOST" }) }, { node: node(2, { state: "INCOMPATIBLE" }) });
        const both: [string, string, string][] = [
          ["agent.lost", "firing", "n1"],
          ["agent.incompatible", "firing", "n2"],
        ];
        await fleet.becomes(both, { state: "firing" });
        await fleet.say({ node: node(1) }, { node: node(2) });
        await fleet.becomes([], { state: "firing" });
      }
      const transitions = (await fleet.feed()).map(({ id, state }) => `${id} ${state}`);
      expect(new Set(transitions).size).toBe(transitions.length);
      expect(transitions).toHaveLength(12);
      expect(await fleet.events()).toHaveLength(12);
    } finally {
      await other.stop();
    }
  });

  test("an acknowledgement is shown and filtered by, can be taken back, and ends with the alarm", async () => {
    await fleet.say({ node: node(1, { state: "LOST" }) });
    const [alarm] = await fleet.becomes([["agent.lost", "firing", "n1"]]);
    const said = { by: "token 1 (ops)", comment: 'on my way, "acknowledged":null' };
    expect((await fleet.alarms.acknowledge(alarm?.id ?? "", said)).acknowledged).toMatchObject(said);
    expect(await fleet.list({ acknowledged: true })).toHaveLength(1);
    expect(await fleet.list({ acknowledged: false })).toHaveLength(0);
    expect((await fleet.alarms.acknowledge(alarm?.id ?? "", null)).acknowledged).toBeNull();
    await fleet.alarms.acknowledge(alarm?.id ?? "", said);
    await fleet.say({ node: node(1) });
    const [over] = await fleet.becomes([["agent.lost", "resolved", "n1"]]);
    expect(over?.acknowledged).toBeNull();
    await expect(fleet.alarms.acknowledge(alarm?.id ?? "", said)).rejects.toMatchObject({ code: "not_found" });
    // Nobody is told that somebody is on it; whoever follows the feed sees it.
    expect(await told()).toHaveLength(2);
    expect(await fleet.feed()).toHaveLength(5);
  });

  test("in a maintenance window nobody is told; what fires still when it ends is told then", async () => {
    const now = fleet.clock.world.now().getTime();
    const at = (ms: number) => new Date(now + ms).toISOString();
    const rack = { rack: "7" };
    const window = await fleet.alarms.addWindow({ ends_at: at(60_000), matcher: { labels: rack } }, "ops");
    await fleet.say({ node: node(1, { state: "LOST", labels: rack }) }, { node: node(2, { state: "LOST" }) });
    const found = await fleet.becomes([
      ["agent.lost", "firing", "n2"],
      ["agent.lost", "firing", "n1"],
    ]);
    expect(found.find(({ node }) => node?.name === "n1")?.silenced_by).toBe(window.id);
    expect((await fleet.events()).map(({ data }) => data.node?.name)).toEqual(["n2"]);
    // What comes and goes within it is never told, neither its beginning nor its end.
    await fleet.say({ node: node(3, { state: "LOST", labels: rack }) });
    await fleet.pass(1_000);
    await fleet.say({ node: node(3, { labels: rack }) });
    await fleet.pass(60_000);
    const end = performance.now() + 10_000;
    while ((await fleet.events()).length < 2 && performance.now() < end) await fleet.pass(250);
    const events = (await fleet.events()).map(({ type, data }) => [type, data.node?.name, data.silenced_by]);
    expect(events).toEqual([
      ["sinew.alarm.firing", "n2", null],
      ["sinew.alarm.firing", "n1", null],
    ]);
  });

  test("the clock on the wall may jump by hours either way: nothing fires, and nothing is resolved", async () => {
    await fleet.say({ node: node(1), sources: [source({ status: "STALE" })] }, { node: node(2, { state: "LOST" }) });
    await fleet.becomes([["agent.lost", "firing", "n2"]]);
    const { world } = fleet.clock;
    const real = world.now;
    for (const hours of [5, -9]) {
      world.now = () => new Date(real().getTime() + hours * 3_600_000);
      await fleet.pass(5_000);
      await fleet.becomes([["agent.lost", "firing", "n2"]]);
    }
    world.now = real;
    await fleet.pass(HOLD_MS - 10_000);
    await fleet.becomes([
      ["agent.lost", "firing", "n2"],
      ["source.failed", "firing", "n1"],
    ]);
  });
});

describe.each(databases)("an outage on $name", ({ open }) => {
  let fleet: Awaited<ReturnType<typeof alarmed>>;
  beforeEach(async () => {
    fleet = await alarmed(open, ["target"]);
  });
  afterEach(() => fleet.close());
  const nodes = (from: number, to: number, state: "LIVE" | "LOST") =>
    Array.from({ length: to - from + 1 }, (_, index) => ({ node: node(from + index, { state }) }));
  const members = async () => (await fleet.list({ state: "firing" })).find(({ node }) => node === null)?.members?.total;
  const membersBecome = async (total: number) => {
    const end = performance.now() + 10_000;
    while ((await members()) !== total && performance.now() < end) await fleet.pass(250);
    expect(await members()).toBe(total);
  };

  test("is one alarm with members, takes in those that fired alone just before, and lets go of the few that stay lost", async () => {
    await fleet.say(...nodes(1, 40, "LIVE"));
    await fleet.say(...nodes(1, 3, "LOST"));
    await fleet.becomes([1, 2, 3].map((n): [string, string, string] => ["agent.lost", "firing", `n${n}`]));
    await fleet.say(...nodes(4, 30, "LOST"));
    await fleet.becomes([["agent.lost", "firing", null]], { state: "firing" });
    await membersBecome(30);
    const [outage] = await fleet.list({ state: "firing" });
    expect(outage).toMatchObject({ reason: "Outage", severity: "critical", node: null });
    expect(outage?.members?.nodes).toHaveLength(30);
    // Three were told alone, and three that this is over; then one: the outage.
    const before = (await fleet.events()).length;
    expect(before).toBe(7);
    await fleet.say(...nodes(1, 20, "LIVE"));
    await membersBecome(10);
    await fleet.say(...nodes(21, 28, "LIVE"));
    await fleet.becomes(
      [
        ["agent.lost", "firing", "n29"],
        ["agent.lost", "firing", "n30"],
      ],
      { state: "firing" },
    );
    const after = (await fleet.events()).slice(before).map(({ type, data }) => [type, data.node?.name ?? null]);
    expect(after[0]).toEqual(["sinew.alarm.resolved", null]);
    expect(after.slice(1).sort()).toEqual([
      ["sinew.alarm.firing", "n29"],
      ["sinew.alarm.firing", "n30"],
    ]);
    // The feed names a node that set it off, as each of its lines does.
    const nodesOf = await fleet.db.read.query((q, { changes }) => q.select({ name: changes.node_name }).from(changes));
    expect(nodesOf.every(({ name }) => /^n\d+$/.test(name))).toBe(true);
  });

  test("is one alarm to two evaluators, too, whoever told of the first nodes alone", async () => {
    const other = fleet.evaluator();
    other.start();
    try {
      await fleet.say(...nodes(1, 40, "LIVE"));
      for (let n = 1; n <= 5; n += 1) {
        await fleet.say(...nodes(n, n, "LOST"));
        await fleet.pass(500);
      }
      await fleet.say(...nodes(6, 30, "LOST"));
      await fleet.becomes([["agent.lost", "firing", null]], { state: "firing" });
      await membersBecome(30);
      const outages = (await fleet.events()).filter(({ data }) => data.node === null);
      expect(outages.map(({ type }) => type)).toEqual(["sinew.alarm.firing"]);
    } finally {
      await other.stop();
    }
  });

  test("goes on over a restart, as the same alarm", async () => {
    await fleet.say(...nodes(1, 20, "LIVE"));
    await fleet.say(...nodes(1, 10, "LOST"));
    const [outage] = await fleet.becomes([["agent.lost", "firing", null]]);
    await fleet.restart();
    await fleet.pass(5_000);
    const [same] = await fleet.becomes([["agent.lost", "firing", null]]);
    expect(same?.id).toBe(outage?.id ?? "");
    await fleet.say(...nodes(1, 10, "LIVE"));
    await fleet.becomes([["agent.lost", "resolved", null]]);
    expect(await fleet.events()).toHaveLength(2);
  });

  test("is not one where nodes are lost one by one over hours", async () => {
    await fleet.say(...nodes(1, 20, "LIVE"));
    for (let n = 1; n <= 8; n += 1) {
      await fleet.say(...nodes(n, n, "LOST"));
      await fleet.pass(61_000);
    }
    await fleet.becomes(
      Array.from({ length: 8 }, (_, n): [string, string, string] => ["agent.lost", "firing", `n${n + 1}`]),
    );
  });
});
