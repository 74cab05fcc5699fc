import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import type { Hardware, Source } from "../../../src/contract/hardware.ts";
import { conditionOf } from "../../../src/tiers/agent/expected/condition.ts";
import {
  type Expectation,
  learned,
  risen,
  type Seen,
  standing,
} from "../../../src/tiers/agent/expected/expectation.ts";

const NOW = "2026-11-23T00:00:00.000Z";
const SOURCES = ["gpu", "nic"];

/** A card of `source` in one of few slots, with a serial of few: both repeat. */
const card = fc.record({
  source: fc.constantFrom(...SOURCES),
  slot: fc.integer({ min: 0, max: 5 }),
  serial: fc.integer({ min: 0, max: 9 }),
  device: fc.constantFrom("20b2", "2331"),
  num: fc.constantFrom(1, 1, 1, 0),
  fresh: fc.constantFrom(true, true, true, false),
});
/** What is on a node at a moment: no card twice, and none of two in one slot. */
const moment = fc.record({
  cards: fc.uniqueArray(card, {
    maxLength: 8,
    comparator: (a, b) => a.serial === b.serial || (a.source === b.source && a.slot === b.slot),
  }),
  silent: fc.subarray(SOURCES),
});
type Moment = typeof moment extends fc.Arbitrary<infer T> ? T : never;

function seenAt({ cards, silent }: Moment): Seen {
  const devices = cards.map(
    ({ source, slot, serial, device, num, fresh }) =>
      ({
        uuid: `00000000-0000-4000-8000-00000000000${serial}`,
        name: `card ${serial}`,
        source,
        freshness: fresh && !silent.includes(source) ? "FRESH" : "STALE",
        acc_specs: { num, device_type: source.toUpperCase() },
        acc_status: { conditions: [] },
        pci: { vendor_id: "10de", device_id: device, path: `${source}/${slot}`, slot: String(slot), address: null },
      }) as unknown as Hardware,
  );
  const sources = SOURCES.map(
    (name) => ({ name, type: name.toUpperCase(), status: silent.includes(name) ? "STALE" : "OK" }) as Source,
  );
  return { devices, sources, lastSeen: () => NOW };
}
const countsOf = ({ lines }: Expectation) =>
  new Map(lines.map(({ device_type, device_id, count }) => [`${device_type} ${device_id}`, count]));
const set: Expectation = {
  origin: "set",
  since: NOW,
  condition: null,
  lines: [
    { device_type: "GPU", vendor_id: null, device_id: null, count: 3, roll: [] },
    { device_type: null, vendor_id: "10de", device_id: "2331", count: 1, roll: [] },
  ],
};

describe("whatever comes and goes", () => {
  const story = fc.array(moment, { minLength: 1, maxLength: 8 });

  test("what was learned never falls", () => {
    fc.assert(
      fc.property(story, ([first, ...rest]) => {
        let expectation = learned(seenAt(first as Moment), null, NOW);
        for (const next of rest) {
          const before = countsOf(expectation);
          expectation = risen(expectation, seenAt(next));
          const after = countsOf(expectation);
          for (const [kind, count] of before) expect(after.get(kind)).toBeGreaterThanOrEqual(count);
        }
      }),
    );
  });

  test("what was set stays", () => {
    fc.assert(
      fc.property(story, (moments) => {
        const ended = moments.reduce((expectation, next) => risen(expectation, seenAt(next)), set);
        expect(countsOf(ended)).toEqual(countsOf(set));
      }),
    );
  });

  test.each(["learned", "set"])(
    "a node where %s is met is well, and one whose drivers all answer is told of what is not",
    (origin) => {
      fc.assert(
        fc.property(story, (moments) => {
          let expectation = origin === "set" ? set : learned(seenAt(moments[0] as Moment), null, NOW);
          for (const next of moments) {
            const seen = seenAt(next);
            expectation = risen(expectation, seen);
            const lines = standing(expectation, seen);
            const { status, message } = conditionOf(expectation, lines, NOW);
            const met = lines.every(({ present, count }) => present >= count);
            expect(status === "true").toBe(met);
            if (next.silent.length === 0) expect(status).toBe(met ? "true" : "false");
            // Nobody is named who is there, or whose driver does not answer.
            const here = new Set(
              seen.devices
                .filter(({ freshness, acc_specs }) => freshness === "FRESH" && acc_specs.num > 0)
                .map(({ uuid }) => uuid),
            );
            for (const { uuid, source } of lines.flatMap(({ missing }) => missing)) {
              expect(here.has(uuid)).toBe(false);
              expect(next.silent).not.toContain(source);
            }
            expect(message.length).toBeLessThan(4096);
          }
        }),
      );
    },
  );

  test("a driver that falls silent alone makes nothing missing", () => {
    fc.assert(
      fc.property(moment, fc.subarray(SOURCES, { minLength: 1 }), ({ cards }, silent) => {
        const expectation = learned(seenAt({ cards, silent: [] }), null, NOW);
        const seen = seenAt({ cards, silent });
        const { status } = conditionOf(expectation, standing(risen(expectation, seen), seen), NOW);
        expect(status).not.toBe("false");
      }),
    );
  });

  test("learning again while a driver is silent keeps what was learned of it", () => {
    fc.assert(
      fc.property(moment, fc.subarray(SOURCES), ({ cards }, silent) => {
        const expectation = learned(seenAt({ cards, silent: [] }), null, NOW);
        const again = learned(seenAt({ cards, silent }), expectation, NOW);
        expect(countsOf(again)).toEqual(countsOf(expectation));
      }),
    );
  });
});

test("a message names eight that are missing, and counts the others", () => {
  const roll = Array.from({ length: 300 }, (_, index) => ({
    uuid: `00000000-0000-4000-8000-${String(index).padStart(12, "0")}`,
    ...{ source: "gpu", name: "card", slot: String(index), address: null, path: `gpu/${index}` },
  }));
  const line = { device_type: "GPU", vendor_id: "10de", device_id: "20b2", count: 300, roll };
  const expectation: Expectation = { origin: "learned", since: NOW, condition: null, lines: [line] };
  const seen = seenAt({ cards: [], silent: [] });
  const { message, action } = conditionOf(expectation, standing(expectation, seen), NOW);
  expect(message).toStartWith("0 of 300 GPU 10de:20b2 present; missing 00000000-");
  expect(message).toEndWith("; and 292 more");
  expect(action).toContain("slot 7, and 292 more");
});
