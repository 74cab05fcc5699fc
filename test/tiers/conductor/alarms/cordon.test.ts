import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { forgetDevice, forgetNode } from "../../../../src/tiers/conductor/given/forget.ts";
import { patchDevice, patchNode } from "../../../../src/tiers/conductor/given/patch.ts";
import { alarmed, condition, device, HOLD_MS, id, node, source } from "../../../support/alarms.ts";
import { databases } from "../../../support/databases.ts";

describe.each(databases)("out of service, on $name", ({ open }) => {
  let fleet: Awaited<ReturnType<typeof alarmed>>;
  beforeEach(async () => {
    fleet = await alarmed(open, ["hook"]);
  });
  afterEach(() => fleet.close());
  const parts = () => ({ db: fleet.db, world: fleet.clock.world });
  const cordon = (n: number, cordoned: true | null) => patchNode(parts(), id(n), { cordoned }, "ada");
  const ill = (n: number, uuid = id(100 + n)) => ({ ...device(n, "FRESH", condition("ErrorFree", "false")), uuid });
  const gone = (n: number, uuid = id(100 + n)) => ({ ...device(n, "GONE", condition("Present", "false")), uuid });
  const reasons = async () => (await fleet.list({ state: "resolved" })).map(({ reason }) => reason);

  test("nothing of a node fires: what did is resolved at once, and comes again after its hold when it is back", async () => {
    await fleet.say({ node: node(1, { state: "LOST" }) });
    await fleet.say({
      node: node(2),
      sources: [source({ status: "STALE", error: { code: "crashed", message: "it did" } })],
      devices: [ill(2)],
    });
    const all: [string, string, string][] = [
      ["agent.lost", "firing", "n1"],
      ["hardware.unhealthy", "firing", "n2"],
      ["source.failed", "firing", "n2"],
    ];
    await fleet.pass(HOLD_MS);
    await fleet.becomes(all);
    await cordon(1, true);
    await cordon(2, true);
    await fleet.becomes([], { state: "firing" });
    expect(await reasons()).toEqual(["Cordoned", "Cordoned", "Cordoned"]);
    const told = (await fleet.events()).map(({ type }) => type);
    expect(told.filter((type) => type.endsWith("resolved"))).toHaveLength(3);
    await fleet.pass(2 * HOLD_MS);
    expect(await fleet.list({ state: "firing" })).toEqual([]);
    await cordon(1, null);
    await cordon(2, null);
    await fleet.becomes([["agent.lost", "firing", "n1"]], { state: "firing" });
    await fleet.pass(HOLD_MS);
    await fleet.becomes(all, { state: "firing" });
  });

  test("nothing of a device fires, and of its neighbour all does; nor does its node miss it while it is gone", async () => {
    const missing = condition("HardwarePresent", "false", "Missing");
    const missed = node(1, { conditions: [missing] });
    await fleet.say({ node: node(1), devices: [ill(1), ill(1, id(201))] });
    const two: [string, string, string] = ["hardware.unhealthy", "firing", "n1"];
    await fleet.pass(HOLD_MS);
    await fleet.becomes([two, two]);
    await patchDevice(parts(), id(101), { cordoned: true }, "ada");
    const [left] = await fleet.becomes([two], { state: "firing" });
    expect(left?.uuid).toBe(id(201));
    expect(await reasons()).toEqual(["Cordoned"]);
    // It is pulled, and the other one is well.
    await fleet.say({ node: missed, devices: [gone(1), { ...device(1, "FRESH"), uuid: id(201) }] });
    await fleet.pass(HOLD_MS);
    await fleet.becomes([], { state: "firing" });
    await fleet.pass(2 * HOLD_MS);
    expect(await fleet.list({ state: "firing" })).toEqual([]);
    await patchDevice(parts(), id(101), { cordoned: null }, "ada");
    await fleet.pass(HOLD_MS);
    await fleet.becomes([["hardware.missing", "firing", "n1"]], { state: "firing" });
  });

  test("nodes out of service are no members of an outage", async () => {
    const lost = Array.from({ length: 20 }, (_, n) => node(n + 1, { state: "LOST" }));
    await fleet.say(...Array.from({ length: 40 }, (_, n) => ({ node: node(n + 1) })));
    for (const n of [1, 2, 3]) await cordon(n, true);
    await fleet.say(...lost.map((one) => ({ node: one })));
    const [outage] = await fleet.becomes([["agent.lost", "firing", null]]);
    expect(outage?.members?.total).toBe(17);
    expect(outage?.members?.nodes.map(({ name }) => name)).not.toContain("n1");
  });

  test("lost nodes that are back in service together are no outage: each is lost alone, as it was before", async () => {
    const all = Array.from({ length: 12 }, (_, n) => n + 1);
    await fleet.say(...Array.from({ length: 40 }, (_, n) => ({ node: node(n + 1) })));
    for (const n of all) await cordon(n, true);
    await fleet.say(...all.map((n) => ({ node: node(n, { state: "LOST" }) })));
    await fleet.pass(1_000);
    for (const n of all) await cordon(n, null);
    await fleet.becomes(all.map((n) => ["agent.lost", "firing", `n${n}`]));
    await fleet.pass(1_000);
    // One that is back and lost once more is lost now.
    await fleet.say(...all.map((n) => ({ node: node(n) })));
    await fleet.becomes([], { state: "firing" });
    await fleet.say(...all.map((n) => ({ node: node(n, { state: "LOST" }) })));
    await fleet.becomes([["agent.lost", "firing", null]], { state: "firing" });
  });

  test("a window by the name that a node says itself, or is shown by, silences it under either", async () => {
    const ends_at = new Date(fleet.clock.world.now().getTime() + 3_600_000).toISOString();
    const by = async (name: string) => (await fleet.alarms.addWindow({ ends_at, matcher: { node: name } }, "ops")).id;
    const windows = { n1: await by("n1"), n2: await by("shown") };
    await fleet.say({ node: node(1), devices: [ill(1)] });
    await fleet.pass(HOLD_MS);
    const alarm = async (name: string) => (await fleet.becomes([["hardware.unhealthy", "firing", name]]))[0];
    expect((await alarm("n1"))?.silenced_by).toBe(windows.n1);
    await patchNode(parts(), id(1), { name: "r7-03" }, "ada");
    expect((await alarm("r7-03"))?.silenced_by).toBe(windows.n1);
    await fleet.restart();
    await fleet.pass(2_000);
    expect((await alarm("r7-03"))?.silenced_by).toBe(windows.n1);
    expect(await fleet.events()).toEqual([]);
    await fleet.say({ node: node(2), devices: [ill(2)] });
    await patchNode(parts(), id(2), { name: "shown" }, "ada");
    await fleet.pass(HOLD_MS);
    await fleet.becomes([
      ["hardware.unhealthy", "firing", "r7-03"],
      ["hardware.unhealthy", "firing", "shown"],
    ]);
    expect((await fleet.list()).find(({ node }) => node?.name === "shown")?.silenced_by).toBe(windows.n2);
  });

  test("what is forgotten is no trouble any more, and its alarm says so", async () => {
    await fleet.say({ node: node(1, { state: "LOST" }) }, { node: node(2), devices: [gone(2)] });
    await fleet.pass(HOLD_MS);
    await fleet.becomes([
      ["agent.lost", "firing", "n1"],
      ["hardware.missing", "firing", "n2"],
    ]);
    await forgetNode(parts(), "n1", "ada");
    await forgetDevice(parts(), id(102), "ada");
    await fleet.becomes([], { state: "firing" });
    expect(await reasons()).toEqual(["Forgotten", "Forgotten"]);
  });

  test("an alarm is shown under the name that its node has now", async () => {
    await fleet.say({ node: node(1), devices: [ill(1)] });
    await fleet.pass(HOLD_MS);
    await fleet.becomes([["hardware.unhealthy", "firing", "n1"]]);
    await patchNode(parts(), id(1), { name: "r7-03" }, "ada");
    const [alarm] = await fleet.becomes([["hardware.unhealthy", "firing", "r7-03"]]);
    expect(alarm?.message).toContain("r7-03");
    expect((await fleet.events()).filter(({ type }) => type.endsWith("firing"))).toHaveLength(1);
  });
});
