import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import fc from "fast-check";
import { Change } from "../../../../src/contract/change.ts";
import type { NodePatch } from "../../../../src/contract/fleet/given.ts";
import type { Hardware } from "../../../../src/contract/hardware.ts";
import type { Hello } from "../../../../src/contract/hello.ts";
import { Node } from "../../../../src/contract/node.ts";
import { SinewError } from "../../../../src/contract/problem.ts";
import { type Database, openDatabase } from "../../../../src/db/database.ts";
import { changesSince, toChange } from "../../../../src/db/queries/changes.ts";
import { type Conductor, createConductorTier } from "../../../../src/tiers/conductor/conductor.ts";
import { createExpectation } from "../../../../src/tiers/conductor/expected/nodes.ts";
import { alone, VISITOR } from "../../../support/callers.ts";
import { databases } from "../../../support/databases.ts";
import { CARD, quiet, until } from "../../../support/tiers.ts";

const uuid = (n: number) => `00000000-0000-4000-8000-${String(n).padStart(12, "0")}`;
const BY = "token 1 (ada)";

interface Saying {
  name?: string;
  labels?: Record<string, string>;
  status?: Hello["status"];
  generation?: string;
  boot?: string;
}

describe.each(databases)("what operators give, on $name", ({ open }) => {
  let database: Awaited<ReturnType<typeof open>>;
  let db: Database;
  let conductor: Conductor;
  const more: Conductor[] = [];
  /** What the agents answer now. */
  let generation = "g1";
  let devices: object[] = [CARD];

  const world = () => ({
    ...quiet(),
    fetch: async () =>
      Response.json({
        hardware: devices,
        sources: [
          {
            name: "crypto",
            type: null,
            endpoint: null,
            status: "OK",
            observed_at: null,
            count: devices.length,
            error: null,
          },
        ],
        generation,
      }),
  });
  const start = async (name: string) => {
    const made = await createConductorTier({ ...alone(), db, world: world(), self: { id: name, name } });
    await made.start();
    return made;
  };

  beforeEach(async () => {
    generation = "g1";
    devices = [{ ...CARD, source: "crypto" }];
    database = await open();
    db = await openDatabase(database.url);
    conductor = await start("first");
  });
  afterEach(async () => {
    for (const one of [conductor, ...more.splice(0)]) await one.stop();
    await db.close();
    await database.close();
  });

  async function says(n: number, { name, labels, status = "READY", boot, ...rest }: Saying = {}, to = conductor) {
    const node = { id: uuid(n), name: name ?? `n${n}`, ...(labels ? { labels } : {}) };
    const hello: Hello = {
      ...{ status, endpoint: `127.0.0.1:${n}`, node, generation: rest.generation ?? generation },
      ...{ api: { min: "1.0", max: "1.0" }, ...(boot ? { boot_id: boot } : {}) },
    };
    await to.hello(hello, VISITOR);
    await to.settled();
  }
  const give = (n: number | string, patch: NodePatch, at = conductor) =>
    at.patchNode(typeof n === "number" ? uuid(n) : n, patch, BY);
  const node = async (n: number, at = conductor) => Node.parse(await at.node(uuid(n)));
  const shown = async (n: number, at = conductor) => {
    const { name, labels, said, state } = await node(n, at);
    return { name, labels, said, state };
  };
  const hardware = async (filter: Parameters<Conductor["hardware"]>[0] = {}): Promise<Hardware[]> =>
    JSON.parse((await conductor.hardware(filter, { limit: 1000 })).text).hardware;
  const feed = async (since: number) =>
    (await changesSince(db.read, since, 1000)).map((row) => Change.parse(toChange(row)));
  const code = (work: Promise<unknown>) =>
    work.then(
      () => "done",
      (error) => (error instanceof SinewError ? error.code : String(error)),
    );

  test("a name and labels are shown in the place of what the node says, and beside it; null takes them back", async () => {
    await says(1, { labels: { rack: "1", site: "ams" } });
    const given = await give(1, { name: "r7-03", labels: { rack: "7", owner: "ml" } });
    expect(given).toMatchObject({ name: "r7-03", labels: { rack: "7", site: "ams", owner: "ml" } });
    const said = { name: "n1", labels: { rack: "1", site: "ams" } };
    expect(await shown(1)).toEqual({ name: "r7-03", labels: given.labels, said, state: "LIVE" });
    expect((await hardware()).map((device) => device.node.name)).toEqual(["r7-03"]);
    // It says what it always did, then something else.
    await says(1, { labels: { rack: "1", site: "ams" } });
    expect(await node(1)).toMatchObject({ ...given, last_seen: expect.any(String) });
    await says(1, { name: "other", labels: { gpu: "h100" } });
    expect(await shown(1)).toMatchObject({
      ...{ name: "r7-03", labels: { gpu: "h100", rack: "7", owner: "ml" } },
      said: { name: "other", labels: { gpu: "h100" } },
    });
    expect(await give("r7-03", { labels: { rack: null, nothing: null } })).toMatchObject({
      labels: { gpu: "h100", owner: "ml" },
    });
    expect(await give(1, { name: null, labels: null })).toMatchObject({
      ...{ name: "other", labels: { gpu: "h100" }, said: null },
    });
    expect((await hardware()).map((device) => device.node.name)).toEqual(["other"]);
    await says(1, { name: "n1" });
    expect(await shown(1)).toEqual({ name: "n1", labels: {}, said: null, state: "LIVE" });
  });

  test("the feed says what was given, what was shown before, and by whom", async () => {
    await says(1, { labels: { rack: "1" } });
    const { revision } = await conductor.nodes({}, { limit: 1 });
    await give(1, { name: "r7-03", labels: { rack: "7", owner: "ml" } });
    await give(1, { labels: { rack: null }, cordoned: { comment: "RMA" } });
    // It says that itself.
    await give(1, { labels: { rack: "1" } });
    const given = (await feed(revision)).flatMap((change) => change.given ?? []);
    expect(given).toEqual([
      {
        ...{ by: BY, name: { from: "n1", to: "r7-03" } },
        labels: { rack: { from: "1", to: "7" }, owner: { from: null, to: "ml" } },
      },
      {
        ...{ by: BY, labels: { rack: { from: "7", to: "1" } } },
        cordoned: { from: null, to: { at: expect.any(String), by: BY, comment: "RMA" } },
      },
      { by: BY },
    ]);
  });

  test("a replaced mainboard, and whatever its node goes through, keeps all that was given", async () => {
    await says(1, { boot: "a" });
    const given = await give(1, { name: "r7-03", labels: { rack: "7" }, cordoned: { comment: "RMA 4711" } });
    expect(given.cordoned).toMatchObject({ by: BY, comment: "RMA 4711" });
    await says(1, { status: "LEAVING" });
    expect(await shown(1)).toMatchObject({ name: "r7-03", state: "LEFT" });
    // Another machine with its id: other hardware, another name, another boot.
    generation = "g2";
    devices = [{ ...CARD, source: "crypto", uuid: uuid(77) }];
    await says(1, { name: "localhost", boot: "b", labels: { board: "new" } });
    expect(await node(1)).toMatchObject({
      ...{ name: "r7-03", labels: { board: "new", rack: "7" }, cordoned: given.cordoned, state: "LIVE" },
      said: { name: "localhost" },
    });
    expect(
      (await hardware({ freshness: "FRESH" })).map(({ uuid, node, cordoned }) => [uuid, node.name, cordoned?.of]),
    ).toEqual([[uuid(77), "r7-03", "node"]]);
    // As after a restart.
    await conductor.stop();
    conductor = await start("first");
    await says(1, { name: "localhost", boot: "b", labels: { board: "new" } });
    expect(await node(1)).toMatchObject({ name: "r7-03", cordoned: given.cordoned });
  });

  test("out of service is shown of the node and of each of its devices, a device's own first; the feed says so", async () => {
    await says(1);
    const { revision } = await conductor.nodes({}, { limit: 1 });
    await give(1, { cordoned: true });
    const [of] = await hardware();
    expect(of?.cordoned).toMatchObject({ by: BY, comment: null, of: "node" });
    expect(of?.acc_status.ready).toBe(false);
    const device = JSON.parse(await conductor.patchDevice(CARD.uuid, { cordoned: { comment: "fan" } }, BY));
    expect(device.cordoned).toMatchObject({ comment: "fan", of: "device" });
    expect(JSON.parse((await conductor.device(CARD.uuid)) ?? "")).toEqual(device);
    expect(await hardware({ cordoned: false })).toEqual([]);
    expect(await hardware({ cordoned: true })).toHaveLength(1);
    expect((await conductor.nodes({ cordoned: true }, { limit: 9 })).nodes).toHaveLength(1);
    expect((await conductor.nodes({ cordoned: false }, { limit: 9 })).nodes).toHaveLength(0);
    // Said again it stays what it was, and is no news.
    const news = await feed(revision);
    await give(1, { cordoned: {} });
    await conductor.patchDevice(CARD.uuid, { cordoned: true }, "another");
    expect(await feed(revision)).toEqual(news);
    expect(news.map(({ kind, uuid, cordoned }) => [kind, uuid, cordoned?.comment])).toEqual([
      ["state", null, null],
      ["changed", CARD.uuid, "fan"],
    ]);
    expect(news[1]?.hardware).toMatchObject({ uuid: CARD.uuid });
    expect(news[1]?.hardware?.cordoned).toBeUndefined();
    expect(news.map(({ given }) => [given?.by, given?.cordoned?.from, given?.cordoned?.to?.comment])).toEqual([
      [BY, null, null],
      [BY, null, "fan"],
    ]);
    await give(1, { cordoned: null });
    expect((await hardware())[0]?.cordoned?.of).toBe("device");
    await conductor.patchDevice(CARD.uuid, { cordoned: null }, BY);
    expect(await hardware({ cordoned: false })).toHaveLength(1);
    expect((await feed(revision)).at(-1)).toMatchObject({ kind: "changed", cordoned: null });
  });

  test("an agent cannot say that its device is out of service", async () => {
    devices = [{ ...CARD, source: "crypto", cordoned: { at: "x", by: "it", comment: null, of: "device" } }];
    await says(1);
    expect((await hardware())[0]?.cordoned).toBeUndefined();
  });

  test("no two nodes are given one name, nor one that another has, whoever is first", async () => {
    for (const n of [1, 2, 3]) await says(n);
    expect(await code(give(1, { name: "n2" }))).toBe("name_taken");
    const both = await Promise.all([1, 2, 3].map((n) => code(give(n, { name: "x" }))));
    expect(both.toSorted()).toEqual(["done", "name_taken", "name_taken"]);
    // Lists choose by names and ids: its devices would be shown as those of the other.
    for (const id of [uuid(2), uuid(2).toUpperCase()]) expect(await code(give(1, { name: id }))).toBe("name_taken");
    expect((await conductor.nodes({}, { limit: 9 })).nodes.filter(({ name }) => name === "x")).toHaveLength(1);
    // Taken back it would be as another one is called by now.
    await give(3, { name: "y" });
    await says(4, { name: "n3" });
    expect(await code(give(3, { name: null }))).toBe("name_taken");
    expect(await code(give("n9", { name: "z" }))).toBe("not_found");
    expect(await code(conductor.patchDevice(uuid(99), { cordoned: true }, BY))).toBe("not_found");
  });

  test("one that is expected is labelled and put out of service before it comes, and is that when it does", async () => {
    const expectation = createExpectation({ db, world: quiet() });
    await expectation.set([{ name: "n1", labels: { rack: "1" } }]);
    expect(await give("n1", { labels: { rack: "7", new: "yes" }, cordoned: true })).toMatchObject({
      ...{ state: "EXPECTED", labels: { rack: "7", new: "yes" } },
    });
    expect(await code(give("n1", { name: "n2" }))).toBe("busy");
    await expectation.set([{ name: "n1", labels: { rack: "1", row: "2" } }, { name: "n2" }]);
    expect((await conductor.node("n1")).labels).toEqual({ rack: "7", row: "2", new: "yes" });
    await says(1, { labels: { site: "ams" } });
    expect(await node(1)).toMatchObject({
      ...{ state: "LIVE", labels: { site: "ams", rack: "7", new: "yes" }, cordoned: { by: BY } },
      said: { name: "n1", labels: { site: "ams" } },
    });
    // It is who is expected, under whichever name it has.
    await give(1, { name: "n2" });
    expect(
      (await conductor.nodes({}, { limit: 9 })).nodes.map(({ name, state }) => `${name} ${state}`).toSorted(),
    ).toEqual(["n1 EXPECTED", "n2 LIVE"]);
  });

  test("64 labels are all that a node has, with what it says itself; none is called __proto__", async () => {
    const some = (count: number, of: string) =>
      Object.fromEntries(Array.from({ length: count }, (_, n) => [`${of}${n}`, ""]));
    await says(1, { labels: some(40, "a") });
    expect(await code(give(1, { labels: some(25, "b") }))).toBe("invalid");
    expect(Object.keys((await give(1, { labels: some(24, "b") })).labels)).toHaveLength(64);
  });

  test("what one conductor stores the others show at once, and go by within a second or so", async () => {
    const second = await start("second");
    more.push(second);
    await says(1, {}, second);
    await give(1, { name: "r7-03", labels: { rack: "7" } });
    expect((await shown(1, second)).name).toBe("r7-03");
    // Whoever hears it meanwhile, with whatever news, takes nothing back.
    for (let n = 2; n < 6; n += 1) {
      generation = `g${n}`;
      devices = [{ ...CARD, source: "crypto", attributes: { n } }];
      await says(1, { labels: { n: String(n) } }, n % 2 === 0 ? second : conductor);
      expect(await shown(1, second)).toMatchObject({ name: "r7-03", labels: { n: String(n), rack: "7" } });
      await until("its device under its name", async () => {
        const [device] = await hardware();
        return device?.attributes.n === n && device.node.name === "r7-03";
      });
    }
    await conductor.patchNode("r7-03", { name: null, labels: null }, BY);
    await until("what it says, at the other conductor", async () => {
      await says(1, { labels: { n: "5" } }, second);
      return (await shown(1, second)).name === "n1";
    });
  });

  test("labels that are given while hellos come and reports move devices are all there in the end", async () => {
    const second = await start("second");
    more.push(second);
    const patch = fc.record(
      {
        name: fc.constantFrom("a", "b", null),
        labels: fc.dictionary(fc.constantFrom("x", "y", "z"), fc.constantFrom("1", "2", null), {
          noNullPrototype: true,
        }),
        cordoned: fc.constantFrom(true as const, null),
      },
      { requiredKeys: [] },
    );
    const step = fc.oneof(
      fc.record({ do: fc.constant("give" as const), patch, at: fc.nat(1) }),
      fc.record({ do: fc.constant("hello" as const), label: fc.constantFrom("1", "2"), at: fc.nat(1) }),
    );
    let round = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 4, maxLength: 14 }), async (steps) => {
        round += 1;
        const n = 100 + round;
        const tiers = [conductor, second];
        await says(n, { name: `m${n}`, labels: { own: "0" } });
        // What was given, in the order in which it was asked for: each is awaited, while hellos are not.
        const wanted: { name: string | null; labels: Record<string, string>; cordoned: boolean } = {
          ...{ name: null, labels: {}, cordoned: false },
        };
        const hellos: Promise<void>[] = [];
        let last = "0";
        let heard = 0;
        for (const one of steps) {
          const at = tiers[one.at] ?? conductor;
          if (one.do === "hello") {
            heard += 1;
            generation = `g${round}.${heard}`;
            devices = [{ ...CARD, source: "crypto", uuid: uuid(n), pci: null, attributes: { heard } }];
            last = one.label;
            // One after the other, as one agent says them, and beside what is given.
            const before = hellos.at(-1) ?? Promise.resolve();
            const said = generation;
            hellos.push(
              before.then(() => says(n, { name: `m${n}`, labels: { own: one.label }, generation: said }, at)),
            );
          } else {
            const given = await give(
              n,
              one.patch.name ? { ...one.patch, name: `${one.patch.name}${n}` } : one.patch,
              at,
            );
            expect(given.state).toBe("LIVE");
            if (one.patch.name !== undefined) wanted.name = one.patch.name && `${one.patch.name}${n}`;
            for (const [key, value] of Object.entries(one.patch.labels ?? {})) {
              if (value === null) delete wanted.labels[key];
              else wanted.labels[key] = value;
            }
            if (one.patch.cordoned !== undefined) wanted.cordoned = one.patch.cordoned !== null;
          }
        }
        await Promise.all(hellos);
        const name = wanted.name ?? `m${n}`;
        const labels = { own: last, ...wanted.labels };
        // A conductor may be a second behind what the other one has heard: so is the agent's next hello.
        await until(`${name} ${JSON.stringify(labels)}`, async () => {
          await says(n, { name: `m${n}`, labels: { own: last } });
          const found = await node(n);
          return found.name === name && Bun.deepEquals(found.labels, labels);
        });
        expect((await node(n)).cordoned !== null).toBe(wanted.cordoned);
        const own = (await hardware({ node: uuid(n) })).map((device) => device.node.name);
        expect([...new Set(own)]).toEqual([name]);
      }),
      { numRuns: 12 },
    );
  });

  test("a forgotten node is in no list, its devices neither, and is another one when it says hello once more", async () => {
    const expectation = createExpectation({ db, world: quiet() });
    await expectation.set([{ name: "n1" }, { name: "n2", id: uuid(2) }]);
    await says(1);
    await says(2, {});
    await give(1, { labels: { rack: "7" }, cordoned: true });
    expect(await code(conductor.forgetNode("n1", BY))).toBe("busy");
    const { first_seen } = await node(1);
    await says(1, { status: "LEAVING" });
    const { revision } = await conductor.nodes({}, { limit: 1 });
    await conductor.forgetNode("n1", BY);
    expect(await code(conductor.node(uuid(1)))).toBe("not_found");
    expect(await code(conductor.forgetNode(uuid(1), BY))).toBe("not_found");
    expect((await hardware()).map((device) => device.node.name)).toEqual(["n2"]);
    expect((await feed(revision)).map(({ kind, node, uuid, given }) => [kind, node.name, uuid, given])).toEqual([
      ["forgotten", "n1", CARD.uuid, { by: BY }],
      ["forgotten", "n1", null, { by: BY }],
    ]);
    expect((await expectation.show()).map(({ name }) => name)).toEqual(["n2"]);
    // The same words once more are those of a new one.
    await says(1);
    expect(await node(1)).toMatchObject({ state: "LIVE", labels: {}, cordoned: null, said: null });
    expect(Date.parse((await node(1)).first_seen)).toBeGreaterThanOrEqual(Date.parse(first_seen));
    expect((await hardware({ node: uuid(1) })).map(({ freshness, cordoned }) => [freshness, cordoned?.of])).toEqual([
      ["FRESH", undefined],
    ]);
  });

  test("a node that one conductor forgets is forgotten by the one that had it, too", async () => {
    const second = await start("second");
    more.push(second);
    await says(1, {}, second);
    await says(1, { status: "LEAVING" }, second);
    await conductor.forgetNode(uuid(1), BY);
    // Before it has heard of that.
    await says(1, {}, second);
    await until("its hardware", async () => (await hardware({ freshness: "FRESH" })).length === 1);
    expect(await node(1)).toMatchObject({ state: "LIVE", generation: "g1" });
  });

  test("an answer that was under way when its node was forgotten does not bring it back", async () => {
    // A peer that is polled: nothing answers until it is LOST, and then one answer hangs.
    let answers: "none" | "hangs" | "good" = "none";
    const asked: (() => void)[] = [];
    const fetch = async () => {
      if (answers === "none") throw new Error("nobody is there");
      if (answers === "hangs") await new Promise<void>((resume) => asked.push(resume));
      return Response.json({ hardware: [CARD] });
    };
    const polling = await createConductorTier({ ...alone(), db, world: { ...quiet(), fetch }, leaseSeconds: 0.5 });
    more.push(polling);
    await polling.start();
    await polling.hello({ status: "READY", endpoint: "127.0.0.1:9", node: { id: uuid(9), name: "n9" } }, VISITOR);
    await until("LOST", async () => (await node(9, polling)).state === "LOST");
    answers = "hangs";
    await until("a poll that hangs", async () => asked.length > 0);
    await polling.forgetNode("n9", BY);
    answers = "good";
    for (const resume of asked) resume();
    await polling.settled();
    // Longer than it would be until the next poll.
    await Bun.sleep(1_500);
    expect(await code(polling.node(uuid(9)))).toBe("not_found");
    expect(await hardware()).toEqual([]);
  });

  test("a device that is GONE is forgotten with what was given to it; any other is not", async () => {
    await says(1);
    await conductor.patchDevice(CARD.uuid, { cordoned: true }, BY);
    expect(await code(conductor.forgetDevice(CARD.uuid, BY))).toBe("busy");
    generation = "g2";
    devices = [];
    await says(1);
    expect((await hardware()).map(({ freshness }) => freshness)).toEqual(["GONE"]);
    await conductor.forgetDevice(CARD.uuid, BY);
    expect(await code(conductor.forgetDevice(CARD.uuid, BY))).toBe("not_found");
    expect(await hardware()).toEqual([]);
    expect((await feed(0)).at(-1)).toMatchObject({ kind: "forgotten", uuid: CARD.uuid, source: "crypto" });
    generation = "g3";
    devices = [{ ...CARD, source: "crypto" }];
    await says(1);
    expect((await hardware()).map(({ freshness, cordoned }) => [freshness, cordoned])).toEqual([["FRESH", undefined]]);
  });
});
