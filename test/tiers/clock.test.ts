import { expect, test } from "bun:test";
import { createClock } from "../../src/tiers/clock.ts";

/** A host whose two clocks are set apart. */
function host() {
  let [wall, ticks] = [Date.UTC(2026, 0, 1), 0];
  const { tell, answered } = createClock({ now: () => new Date(wall), monotonic: () => ticks });
  return {
    /** A hello that is answered. */
    clock() {
      const told = tell();
      answered();
      return told;
    },
    /** A hello that is lost, or its answer. */
    lost: tell,
    pass(ms: number) {
      wall += ms;
      ticks += ms;
    },
    set(ms: number) {
      wall += ms;
    },
  };
}

test("a hello says when it was sent twice at first, then not: a heartbeat is the same bytes each time", () => {
  const { clock, pass } = host();
  expect(clock()).toEqual({ sent_at: "2026-01-01T00:00:00.000Z" });
  pass(15_000);
  expect(clock()).toEqual({ sent_at: "2026-01-01T00:00:15.000Z" });
  for (let n = 0; n < 15; n += 1) {
    pass(15_000);
    expect(clock()).toEqual({});
  }
});

test("it says so again now and then, and at once after its clock was set", () => {
  const { clock, pass, set } = host();
  for (let n = 0; n < 3; n += 1) clock();
  pass(300_000);
  expect(clock()).toHaveProperty("sent_at");
  expect(clock()).toHaveProperty("sent_at");
  expect(clock()).toEqual({});
  set(-3_600_000);
  expect(clock()).toHaveProperty("sent_at");
  expect(clock()).toHaveProperty("sent_at");
  expect(clock()).toEqual({});
});

test("what was lost has told nobody: it is said until two hellos that say so were answered", () => {
  const { clock, lost, set } = host();
  for (let n = 0; n < 3; n += 1) clock();
  set(3_600_000);
  for (let n = 0; n < 5; n += 1) expect(lost()).toHaveProperty("sent_at");
  expect(clock()).toHaveProperty("sent_at");
  expect(lost()).toHaveProperty("sent_at");
  expect(clock()).toHaveProperty("sent_at");
  expect(lost()).toEqual({});
  expect(clock()).toEqual({});
});
