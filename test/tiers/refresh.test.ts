import { expect, test } from "bun:test";
import type { HardwareList } from "../../src/contract/hardware.ts";
import { createAgent } from "../../src/create/agent.ts";
import { createDriver } from "../../src/create/driver.ts";
import { createDriverTier, type DriverDevice } from "../../src/tiers/driver.ts";
import { virtualWorld } from "../support/world.ts";

const node = { id: "0b3c8f8e-58a8-4c2f-8f5c-0a3c9d1f2e4b", name: "n1" };
const device = (name: string): DriverDevice => ({ uuid: "2f6a1e3c-0d5b-4d7e-9a57-6c1f0f4f8a11", name });

/** A driver whose finds are answered by hand, in the order that they were asked for. */
async function byHand() {
  const { world, settle } = virtualWorld();
  const asked: { look: boolean; answer(name: string): void; fail(why: string): void }[] = [];
  let changes = 0;
  const driver = await createDriverTier({
    name: "x",
    type: "CRYPTO",
    world,
    node,
    endpoint: null,
    onChange: () => changes++,
    discover: ({ look }) =>
      new Promise((resolve, reject) => {
        asked.push({ look, answer: (name) => resolve([device(name)]), fail: (why) => reject(new Error(why)) });
      }),
  });
  const started = driver.start();
  await settle();
  asked[0]?.answer("first");
  await started;
  const list = () => driver.page(10, undefined);
  return { driver, asked, settle, list, changes: () => changes };
}

test("refresh() shows what is known by now and tells of it, without an operation", async () => {
  const { driver, asked, settle, list, changes } = await byHand();
  const done = driver.refresh();
  while (asked.length < 2) await settle();
  asked[1]?.answer("second");
  await done;
  expect([asked[1]?.look, list().hardware[0]?.name, changes()]).toEqual([false, "second", 2]);
});

test("refresh() during a discovery is after it: an older answer never takes the place of a newer one", async () => {
  const { driver, asked, settle, list } = await byHand();
  const { uuid } = driver.startDiscovery();
  await settle();
  const refreshes = [driver.refresh(), driver.refresh(), driver.refresh()];
  await settle();
  expect(asked.map(({ look }) => look)).toEqual([true, true]);
  asked[1]?.answer("looked");
  expect((await driver.operation(uuid, 60_000))?.status).toBe("SUCCEEDED");
  expect(list().hardware[0]?.name).toBe("looked");
  // Three that came while nothing could be done are two: one that may have begun before the last, and one after it.
  while (asked.length < 3) await settle();
  asked[2]?.answer("known");
  while (asked.length < 4) await settle();
  asked[3]?.answer("known last");
  await Promise.all(refreshes);
  expect(asked.map(({ look }) => look)).toEqual([true, true, false, false]);
  expect(list().hardware[0]?.name).toBe("known last");
});

test("refresh() that fails is the source's error, keeps the devices, and heals", async () => {
  const { driver, asked, settle, list } = await byHand();
  let done = driver.refresh();
  await settle();
  asked[1]?.fail("gone");
  await done;
  expect(list()).toMatchObject({
    hardware: [{ name: "first", freshness: "STALE" }],
    sources: [{ status: "STALE", error: { message: "gone" } }],
  });
  done = driver.refresh();
  await settle();
  asked[2]?.answer("back");
  await done;
  expect(list()).toMatchObject({ hardware: [{ name: "back", freshness: "FRESH" }], sources: [{ status: "OK" }] });
});

test("refresh() before the first discovery asks for nothing: it would be ready with what is not known", async () => {
  const { world } = virtualWorld();
  let asked = 0;
  const discover = async () => {
    asked++;
    return [];
  };
  const driver = await createDriverTier({ name: "x", type: "CRYPTO", world, node, endpoint: null, discover });
  await driver.refresh();
  expect([asked, driver.ready]).toEqual([0, false]);
});

test("refresh() during the first discovery comes after it: what changed meanwhile is not lost", async () => {
  const { world, settle } = virtualWorld();
  const asked: { look: boolean; answer(name: string): void }[] = [];
  const discover = ({ look }: { look: boolean }) =>
    new Promise<DriverDevice[]>((resolve) => {
      asked.push({ look, answer: (name) => resolve([device(name)]) });
    });
  const driver = await createDriverTier({ name: "x", type: "CRYPTO", world, node, endpoint: null, discover });
  const started = driver.start();
  while (asked.length < 1) await settle();
  const refreshed = driver.refresh();
  asked[0]?.answer("before");
  await started;
  while (asked.length < 2) await settle();
  asked[1]?.answer("after");
  await refreshed;
  expect([asked[1]?.look, driver.page(10, undefined).hardware[0]?.name]).toEqual([false, "after"]);
});

test("An agent that starts takes in what changes while another driver has yet to answer it", async () => {
  let name = "before";
  const fast = await createDriver({ auth: "open", name: "a", type: "CRYPTO", discover: async () => [device(name)] });
  const slow = await createDriver({ auth: "open", name: "b", type: "GPU", discover: async () => [] });
  const gate = Promise.withResolvers<void>();
  const asked = Promise.withResolvers<void>();
  const held: typeof slow = {
    ...slow,
    async fetch(request, env) {
      asked.resolve();
      await gate.promise;
      return slow.fetch(request, env);
    },
  };
  const agent = await createAgent({ auth: "open", node, drivers: [fast, held] });
  const shown = async () => {
    const { hardware } = (await (await agent.fetch(new Request("http://localhost/hardware"))).json()) as {
      hardware: { name: string }[];
    };
    return hardware.map((one) => one.name);
  };
  const started = agent.start();
  await asked.promise;
  while ((await shown()).length === 0) await Bun.sleep(1);
  name = "after";
  await fast.refresh();
  gate.resolve();
  await started;
  while ((await shown())[0] !== "after") await Bun.sleep(1);
  await agent.stop();
});

test("a driver that was given up for a discovery without end is shown as well once that has ended, though all is as it was (found by simulation)", async () => {
  const { world, advance, settle } = virtualWorld();
  const ends: (() => void)[] = [];
  const driver = await createDriver({
    ...{ auth: "open", name: "a", type: "CRYPTO", world },
    discover: () => new Promise((resolve) => ends.push(() => resolve([device("as ever")]))),
  });
  const agent = await createAgent({ auth: "open", node, drivers: [driver], world });
  const ask = async (path: string, init?: RequestInit) =>
    (await agent.fetch(new Request(`http://localhost${path}`, init), { remoteAddress: "127.0.0.1" })).json();
  const source = async () => ((await ask("/hardware")) as HardwareList).sources[0];
  const started = agent.start();
  while (ends.length < 1) await settle();
  ends[0]?.();
  await started;
  expect(await source()).toMatchObject({ status: "OK" });
  await ask("/discovery", { method: "POST" });
  while (ends.length < 2) await settle();
  for (let second = 0; (await source())?.status === "OK" && second < 120; second++) await advance(1_000);
  expect(await source()).toMatchObject({ status: "STALE", error: { code: "timeout" } });
  ends[1]?.();
  for (let turn = 0; (await source())?.status !== "OK" && turn < 100; turn++) await settle();
  expect(await source()).toMatchObject({ status: "OK", error: null });
  await agent.stop();
});
