import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { createPace, type What } from "../../src/live/pace.ts";
import { createTick } from "../../src/live/tick.ts";
import { virtualWorld } from "../support/world.ts";

/** A pace whose looks take `takes` ms, and when each began at what. */
function paced(takes = 0) {
  const clock = virtualWorld();
  const looks: { at: number; what: What }[] = [];
  const pace = createPace(clock.world, async (what) => {
    looks.push({ at: clock.world.monotonic(), what });
    if (takes > 0) await new Promise<void>((done) => clock.world.timer(takes, done));
  });
  return { ...clock, pace, looks, touch: (...addresses: string[]) => pace.touch(new Set(addresses)) };
}
const whats = (looks: { what: What }[]) => looks.map(({ what }) => (what === "all" ? what : [...what].sort()));

describe("createPace()", () => {
  test("gathers for a moment, looks at once, and once more a second later", async () => {
    const { touch, looks, advance } = paced();
    touch("a");
    touch("b");
    await advance(10);
    expect(looks.map(({ at }) => at)).toEqual([5]);
    await advance(5_000);
    expect(whats(looks)).toEqual([
      ["a", "b"],
      ["a", "b"],
    ]);
  });

  test("looks at everything when told to, whatever else it was told", async () => {
    const { touch, pace, looks, advance } = paced();
    touch("a");
    pace.touch("all");
    touch("b");
    await advance(10);
    expect(whats(looks)).toEqual(["all"]);
  });

  test("ten thousand events in a second cost a handful of looks, and the last look is after the last event", async () => {
    const { touch, looks, advance } = paced(2);
    for (let i = 0; i < 10_000; i++) {
      touch(`device ${i % 40}`);
      if (i % 10 === 9) await advance(1);
    }
    const inTheStorm = looks.length;
    expect(inTheStorm).toBeLessThanOrEqual(10);
    touch("the last");
    await advance(10_000);
    expect(whats(looks.slice(inTheStorm)).flat()).toContain("the last");
    expect(looks.length).toBeLessThanOrEqual(inTheStorm + 3);
  });

  test("a link that flaps costs at most ten looks a second, and one a second where it flaps faster than that", async () => {
    for (const [everyMs, most] of [
      [50, 1.2],
      [250, 4.1],
    ] as const) {
      const { touch, looks, advance } = paced(2);
      const seconds = 300;
      for (let i = 0; i < (seconds * 1000) / everyMs; i++) {
        touch("the link");
        await advance(everyMs);
      }
      expect(looks.length).toBeLessThan(seconds * most);
      // And it is over with the storm: the next event is looked at at once again.
      await advance(5_000);
      const before = looks.length;
      touch("another");
      await advance(10);
      expect(looks.length).toBe(before + 1);
    }
  }, 60_000);

  test("never looks twice at a time, and every event is followed by a look at it", async () => {
    const step = fc.record({ wait: fc.integer({ min: 0, max: 400 }), address: fc.constantFrom("a", "b", "c") });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 12 }), fc.integer({ min: 0, max: 500 }), async (steps, takes) => {
        const { world, advance } = virtualWorld();
        let busy = false;
        const seen: { at: number; what: What }[] = [];
        const pace = createPace(world, async (what) => {
          expect(busy).toBe(false);
          busy = true;
          seen.push({ at: world.monotonic(), what });
          await new Promise<void>((done) => world.timer(takes, done));
          busy = false;
        });
        const touched: { at: number; address: string }[] = [];
        for (const { wait, address } of steps) {
          await advance(wait);
          touched.push({ at: world.monotonic(), address });
          pace.touch(new Set([address]));
        }
        await advance(10_000);
        for (const { at, address } of touched) {
          expect(seen.some((look) => look.at >= at && look.what !== "all" && look.what.has(address))).toBe(true);
        }
      }),
      { numRuns: 50 },
    );
  });

  test("looks at nothing once stopped", async () => {
    const { touch, pace, looks, advance } = paced();
    touch("a");
    pace.stop();
    touch("b");
    await advance(5_000);
    expect(looks).toEqual([]);
  });
});

describe("createTick()", () => {
  /** Ticks of 30 s whose jitter is `random`; `unsettled` is whether something waits to be confirmed. */
  function ticking(random: number) {
    const clock = virtualWorld();
    const looks: number[] = [];
    const state = { unsettled: false };
    const world = { ...clock.world, random: () => random };
    const look = async () => void looks.push(clock.world.monotonic());
    const tick = createTick({ world, everyMs: 30_000, soon: () => state.unsettled, look });
    tick.start();
    return { ...clock, tick, looks, state };
  }

  test.each([
    [0, 27_000],
    [0.5, 30_000],
    [1, 33_000],
  ])("looks every 30 s, a tenth more or less (%d: %d ms)", async (random, ms) => {
    const { looks, advance } = ticking(random);
    await advance(ms * 3);
    expect(looks).toEqual([ms, 2 * ms, 3 * ms]);
  });

  test("looks again in 2 s while something waits to be confirmed, and no sooner for any number of other looks", async () => {
    const { looks, state, tick, advance } = ticking(0.5);
    await advance(1_000);
    state.unsettled = true;
    for (let i = 0; i < 5; i++) {
      tick.looked();
      await advance(100);
    }
    await advance(1_500);
    expect(looks).toEqual([3_000]);
    await advance(2_000);
    expect(looks).toEqual([3_000, 5_000]);
    state.unsettled = false;
    await advance(2_000);
    await advance(30_000);
    expect(looks).toEqual([3_000, 5_000, 7_000, 37_000]);
  });

  test("other looks do not put it off", async () => {
    const { looks, tick, advance } = ticking(0.5);
    for (let i = 0; i < 35; i++) {
      tick.looked();
      await advance(1_000);
    }
    expect(looks).toEqual([30_000]);
  });

  test("stops", async () => {
    const { looks, tick, advance } = ticking(0.5);
    tick.stop();
    tick.looked();
    await advance(100_000);
    expect(looks).toEqual([]);
  });
});
