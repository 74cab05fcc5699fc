import { describe, expect, test } from "bun:test";
import type { Change } from "../../src/contract/change.ts";
import type { Hardware } from "../../src/contract/hardware.ts";
import type { NodeState } from "../../src/contract/node.ts";
import { Acknowledged } from "./acknowledged.ts";
import { judgeAlarms } from "./alarms.ts";
import { Follower } from "./follower.ts";
import { Liveness } from "./liveness.ts";
import { judgeIdentity, judgeQuiet, keyOf, type Lists, type Truth } from "./quiet.ts";

const NODE = { id: "11111111-2222-4333-8444-555555555555", name: "n1" };
const A = "8e45a2ea-5364-4b0d-a252-bf8becaa606e";
const B = "2f6a1e3c-0d5b-4d7e-9a57-6c1f0f4f8a11";

const truth = (): Truth => ({
  nodes: [
    {
      ...NODE,
      state: "LIVE",
      sources: [
        { name: "gpu", ok: true },
        { name: "nic", ok: false },
      ],
      devices: [{ uuid: A, source: "gpu", name: "card v1" }],
    },
  ],
  known: new Set([keyOf(NODE.id, "gpu", A), keyOf(NODE.id, "nic", B)]),
});
const lists = (): Lists => ({
  revision: 7,
  nodes: [{ ...NODE, state: "LIVE" }],
  hardware: [
    { uuid: A, source: "gpu", name: "card v1", node: NODE, freshness: "FRESH" },
    { uuid: B, source: "nic", name: "port", node: NODE, freshness: "STALE" },
  ],
  sources: [{ node: NODE, name: "nic", status: "STALE" }],
});
const wrong = (change: (lists: Lists) => void): string => {
  const made = lists();
  change(made);
  return [...judgeQuiet(truth(), made), ...judgeIdentity(made, truth().known)].join("\n");
};
const first = (made: Lists) => made.hardware[0] as Lists["hardware"][number];

describe("after quiet", () => {
  test("what is shown as it is violates nothing", () => expect(wrong(() => {})).toBe(""));

  test.each<[string, (made: Lists) => void, string]>([
    ["a node that is missing", (made) => made.nodes.pop(), "node n1 is missing"],
    ["a state that is another", (made) => Object.assign(made.nodes[0] ?? {}, { state: "LOST" }), "shown as LOST"],
    ["a node that is not there", (made) => made.nodes.push({ id: B, name: "n2", state: "LIVE" }), "and there is none"],
    ["a device that is missing", (made) => made.hardware.shift(), `device ${A} of gpu on n1 is missing`],
    ["a device that is GONE", (made) => Object.assign(first(made), { freshness: "GONE" }), "is GONE, and is there"],
    ["a device that is old", (made) => Object.assign(first(made), { freshness: "STALE" }), "is STALE, and is there"],
    ["a device as it was", (made) => Object.assign(first(made), { name: "card v0" }), 'shown as "card v0"'],
    ["a device that has left", (made) => made.hardware.push({ ...first(made), uuid: B }), "is FRESH, and is not there"],
    [
      "a device that nobody answers for",
      (made) => Object.assign(made.hardware[1] ?? {}, { freshness: "FRESH" }),
      "nobody answers for it",
    ],
    ["a source that failed and is not shown so", (made) => made.sources.pop(), "source nic of n1 is shown as OK"],
    [
      "a source that is well and not shown so",
      (made) => made.sources.push({ node: NODE, name: "gpu", status: "STALE" }),
      "source gpu of n1 is not shown as OK",
    ],
    [
      "an agent that is shown as failed",
      (made) => made.sources.push({ node: NODE, name: "agent", status: "STALE" }),
      "agent of n1 is shown as failed",
    ],
    ["a row that is there twice", (made) => made.hardware.push(first(made)), "is listed twice"],
    [
      "a uuid of two devices",
      (made) => made.hardware.push({ ...first(made), node: { id: B, name: "n2" } }),
      `uuid ${A} is that of two devices, gpu on n1 and gpu on n2`,
    ],
    [
      "a device that never was",
      (made) => Object.assign(first(made), { source: "fpga" }),
      "is listed, and never was there",
    ],
  ])("%s is found", (_, change, sentence) => expect(wrong(change)).toContain(sentence));
});

describe("liveness", () => {
  const make = () => new Liveness({ decisionMs: 0, slackMs: 3_000 });

  test("a LOST within two leases of a hello that was answered is found", () => {
    const liveness = make();
    liveness.heard("n1", { sent: 1_000, answered: 1_100, ttlMs: 10_000 });
    liveness.state("n1", { state: "LOST", after: 20_900, by: 20_950, revision: 4 });
    expect(liveness.violations).toEqual([
      "node n1 became LOST at revision 4, by 20.950 s, although its hello of 1.000 s was answered at 1.100 s and holds until 21.000 s",
    ]);
  });

  test("a LOST after two leases, after LEAVING, or before its hello was answered is none", () => {
    const liveness = make();
    liveness.heard("n1", { sent: 1_000, answered: 1_100, ttlMs: 10_000 });
    liveness.state("n1", { state: "LOST", after: 20_900, by: 21_001, revision: 4 });
    liveness.heard("n1", { sent: 30_000, answered: 30_100, ttlMs: 10_000 });
    liveness.state("n1", { state: "LOST", after: 30_050, by: 30_060, revision: 5 });
    liveness.left("n1");
    liveness.state("n1", { state: "LOST", after: 31_000, by: 31_000, revision: 6 });
    liveness.heard("n1", { sent: 32_000, answered: 32_100, ttlMs: 10_000 });
    liveness.doubt("n1");
    liveness.state("n1", { state: "LOST", after: 33_000, by: 33_000, revision: 7 });
    expect(liveness.violations).toEqual([]);
  });

  test("on a link the lease is the link's until it ends", () => {
    const liveness = make();
    liveness.heard("n1", { sent: 0, answered: 0, ttlMs: 45_000 });
    liveness.unlinked("n1", { at: 5_000, ttlMs: 10_000 });
    liveness.state("n1", { state: "LOST", after: 26_000, by: 26_000, revision: 4 });
    // Whoever is LOST already is owed nothing more.
    liveness.unlinked("n1", { at: 27_000, ttlMs: 10_000 });
    liveness.state("n1", { state: "LOST", after: 28_000, by: 28_000, revision: 5 });
    expect(liveness.violations).toEqual([]);
    liveness.heard("n1", { sent: 29_000, answered: 29_000, ttlMs: 45_000 });
    liveness.state("n1", { state: "LIVE", after: 29_000, by: 29_000, revision: 6 });
    liveness.unlinked("n1", { at: 30_000, ttlMs: 10_000 });
    liveness.state("n1", { state: "LOST", after: 49_000, by: 49_000, revision: 7 });
    expect(liveness.violations).toHaveLength(1);
  });

  test("a node that is silent and not LOST within its bound is found, once", () => {
    const liveness = make();
    liveness.state("n1", { state: "LIVE", after: 0, by: 0, revision: 1 });
    liveness.silent("n1", { since: 5_000, ttlMs: 10_000 });
    liveness.look(28_000);
    expect(liveness.violations).toEqual([]);
    liveness.look(28_001);
    liveness.look(29_000);
    expect(liveness.violations).toEqual([
      "node n1 is LIVE at 28.001 s, although nothing of it can have been heard since 5.000 s: it should have been LOST by 28.000 s",
    ]);
  });

  test("a conductor that starts gives a fresh lease, and a node that is LOST or sounds again is late for nothing", () => {
    const liveness = make();
    for (const node of ["n1", "n2", "n3"]) {
      liveness.state(node, { state: "LATE", after: 0, by: 0, revision: 1 });
      liveness.silent(node, { since: 5_000, ttlMs: 10_000 });
    }
    liveness.conductor(20_000);
    liveness.look(43_000);
    liveness.state("n1", { state: "LOST", after: 43_000, by: 43_000, revision: 2 });
    liveness.sounds("n2");
    liveness.left("n3");
    liveness.look(50_000);
    expect(liveness.violations).toEqual([]);
  });
});

describe("what was acknowledged", () => {
  test("and is not in a list that was asked for later is found", () => {
    const acknowledged = new Acknowledged();
    acknowledged.acknowledge("node n1", 1_000);
    acknowledged.acknowledge("operation x", 1_000);
    acknowledged.listed("node ", new Set(), { asked: 1_000, revision: 3 });
    acknowledged.listed("node ", new Set(["node n1"]), { asked: 2_000, revision: 4 });
    expect(acknowledged.violations).toEqual([]);
    acknowledged.listed("node ", new Set(["node n2"]), { asked: 2_000, revision: 5 });
    expect(acknowledged.violations).toEqual([
      "node n1 was acknowledged at 1.000 s and is not there at revision 5, asked for at 2.000 s",
    ]);
    acknowledged.withdraw("operation x");
    acknowledged.listed("operation ", new Set(), { asked: 2_000 });
    expect(acknowledged.violations).toHaveLength(1);
  });

  test("a revision that becomes another change, or leaves the log, is found", () => {
    const acknowledged = new Acknowledged();
    const one = (revision: number, name: string) => ({ revision, name });
    acknowledged.change(one(1, "a"));
    acknowledged.change(one(2, "b"));
    acknowledged.log([one(1, "a"), one(2, "b"), one(3, "c")]);
    acknowledged.log([one(2, "b")], 2);
    expect(acknowledged.violations).toEqual([]);
    acknowledged.change(one(2, "other"));
    acknowledged.log([one(1, "a")]);
    expect(acknowledged.violations.map((text) => text.slice(0, 10))).toEqual(["revision 2", "revision 2"]);
  });
});

describe("a follower of the feed", () => {
  const device = (name: string) => ({ uuid: A, source: "gpu", node: NODE, name }) as Hardware;
  const change = (revision: number, more: Partial<Change> = {}): Change => ({
    ...{ revision, time: "2026-01-01T00:00:00Z", kind: "changed", node: NODE, source: "gpu", uuid: A, state: null },
    ...{ sources: null, hardware: device(`v${revision}`), ...more },
  });
  const state = (revision: number, is: NodeState) =>
    change(revision, { kind: "state", state: is, hardware: null, uuid: null, source: null });
  const make = () => {
    const follower = new Follower("f");
    follower.listHardware({ hardware: [device("v1")], revision: 5 });
    follower.listNodes({ nodes: [{ id: NODE.id, state: "LIVE" }], revision: 6 });
    return follower;
  };
  const copy = (name: string, is: NodeState) => ({
    hardware: new Map([[keyOf(NODE.id, "gpu", A), device(name)]]),
    states: new Map([[NODE.id, is]]),
  });

  test("one that reads on from its list holds what a later list holds", () => {
    const follower = make();
    expect(follower.since).toBe(5);
    follower.take([change(6), state(7, "LATE")]);
    follower.take([change(9)]);
    follower.judgeList(copy("v9", "LATE"), 9);
    follower.judgeLog([change(4), change(6), state(7, "LATE"), change(9), change(10)]);
    expect(follower.violations).toEqual([]);
  });

  test("what it sees twice, out of order, or not at all is found", () => {
    const twice = make();
    twice.take([change(6), change(6)]);
    expect(twice.violations).toEqual(["f was shown revision 6 twice"]);
    const back = make();
    back.take([change(8), change(7)]);
    expect(back.violations).toEqual(["f was shown revision 7 after 8: out of order"]);
    const missed = make();
    missed.take([change(6), change(8)]);
    missed.judgeLog([change(6), change(7), change(8)]);
    expect(missed.violations).toEqual([`f read from revision 5 to 8 and missed 7 (changed of ${A} on n1)`]);
    const passed = make();
    passed.take([change(6)]);
    passed.advance(8);
    passed.judgeLog([change(6), change(7), change(9)]);
    expect(passed.violations).toEqual([`f read from revision 5 to 8 and missed 7 (changed of ${A} on n1)`]);
    const more = make();
    more.take([change(6)]);
    more.judgeLog([]);
    expect(more.violations).toEqual(["f was shown revision 6, and the log has none"]);
  });

  test("a list that holds something else than it does is found", () => {
    const told = (list: Parameters<Follower["judgeList"]>[0]) => {
      const follower = make();
      follower.judgeList(list, 6);
      return follower.violations.join("\n");
    };
    const none = { hardware: new Map(), states: new Map() };
    expect(told(copy("v1", "LIVE"))).toBe("");
    expect(told(copy("v2", "LIVE"))).toContain('"name":"v2"');
    expect(told(copy("v1", "LOST"))).toContain("is LOST in the list, and LIVE by the feed");
    expect(told(none)).toContain("is known by the feed, and not in the list");
    const empty = new Follower("f");
    empty.judgeList(copy("v1", "LIVE"), 6);
    expect(empty.violations).toHaveLength(2);
    const again = make();
    again.restart();
    again.judgeList(none, 6);
    expect([again.since, again.violations]).toEqual([null, []]);
  });
});

test("an alarm that is missing, too many or there twice is found", () => {
  const lost = { kind: "agent.lost", node: NODE.id };
  const failed = { kind: "source.failed", node: NODE.id, source: "gpu" };
  expect(judgeAlarms([lost, failed], [failed, lost])).toEqual([]);
  expect(judgeAlarms([lost], [failed, failed])).toEqual([
    `after quiet: no alarm fires for agent.lost ${NODE.id} - -`,
    `after quiet: an alarm fires for source.failed ${NODE.id} gpu -, and there is no such trouble`,
    `after quiet: two alarms fire for source.failed ${NODE.id} gpu -`,
  ]);
});
