import { expect, test } from "bun:test";
import { createPlaces } from "../../../../src/tiers/conductor/inventory/places.ts";
import { virtualWorld } from "../../../support/world.ts";

const never = () => new Promise<never>(() => {});

test("places are taken in the order of the calls, and a hung one holds up nobody for long", async () => {
  const { world, advance, settle } = virtualWorld();
  const places = createPlaces(world, () => false);
  for (let index = 0; index < 100; index += 1) void places.hold("call", never);
  const done: number[] = [];
  const all = [1, 2, 3].map((index) => places.hold("call", async () => void done.push(index)));
  await settle();
  expect(done).toEqual([]);
  // Far below the deadline of the hundred that hang.
  await advance(3_000);
  await Promise.all(all);
  expect(done).toEqual([1, 2, 3]);
  // Those on links have places of their own.
  await places.hold("link", async () => void done.push(4));
  expect(done).toEqual([1, 2, 3, 4]);
});

test("those that hang again keep only each other waiting, and there is an end to how many hang", async () => {
  const { world, advance, settle } = virtualWorld();
  const places = createPlaces(world, () => false);
  let hung = 0;
  const hang = () => {
    hung += 1;
    return never();
  };
  for (let index = 0; index < 50; index += 1) void places.hold("again", hang);
  await advance(60_000);
  expect(hung).toBe(16);
  let answered = false;
  await places.hold("call", async () => {
    answered = true;
  });
  expect(answered).toBe(true);
  for (let index = 0; index < 300; index += 1) void places.hold("call", hang);
  await advance(60_000);
  await settle();
  expect(hung).toBe(16 + 128 + 32);
});

test("fewer are asked at once while this process is late, and more when it is not", async () => {
  const { world, advance, suspend, settle } = virtualWorld();
  const places = createPlaces(world, () => false);
  let running = 0;
  let most = 0;
  const ends: (() => void)[] = [];
  const work = async () => {
    running += 1;
    most = Math.max(most, running);
    await new Promise<void>((end) => ends.push(end));
    running -= 1;
  };
  for (let index = 0; index < 8_000; index += 1) void places.hold("link", work);
  const round = async () => {
    for (const end of ends.splice(0)) end();
    await settle();
  };
  for (let index = 0; index < 100; index += 1) {
    await advance(20);
    await round();
  }
  expect(most).toBe(32);
  for (let index = 0; index < 10; index += 1) {
    suspend(200);
    await advance(0);
    await round();
  }
  expect(running).toBeLessThanOrEqual(2);
});

test("nobody is asked while what was asked for cannot be stored as fast", async () => {
  const { world, advance } = virtualWorld();
  let full = true;
  const places = createPlaces(world, () => full);
  let asked = false;
  void places.hold("link", async () => {
    asked = true;
  });
  await advance(1_000);
  expect(asked).toBe(false);
  full = false;
  await advance(100);
  expect(asked).toBe(true);
});
