import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import type { Hardware } from "../../../src/contract/hardware.ts";
import { fromScan } from "../../../src/drivers/discover.ts";
import { createHealth, type Health } from "../../../src/drivers/health/health.ts";
import { parseMemory } from "../../../src/drivers/health/memory.ts";
import type { AerCounters, PciFunction } from "../../../src/pci/function.ts";
import type { Store } from "../../../src/world.ts";
import { pciFunction } from "../functions.ts";

const node = { id: "6f1a3f0e-9f57-4c8e-8f5e-0d0c1a2b3c4d", name: "rack-7" };
const START = Date.parse("2026-11-23T10:00:00Z");
const MINUTE = 60_000;

/** A store in memory, as a file is one: what is saved is a copy. */
function makeStore() {
  const kept = { text: null as string | null, saves: 0, aside: "", failing: false };
  const store: Store = {
    load: async () => (kept.text === null ? null : JSON.parse(kept.text)),
    save: async (document) => {
      if (kept.failing) throw new Error("ENOSPC");
      kept.saves += 1;
      kept.text = JSON.stringify(document);
    },
    setAside: async (why) => {
      kept.aside = why;
      kept.text = null;
    },
  };
  return Object.assign(kept, { store });
}

const GOOD: Partial<PciFunction> = { response: "responding", problems: [] };
const ALL_ONES: Partial<PciFunction> = { response: "silent", problems: [{ reason: "AllOnes", message: "all ones" }] };
const ASLEEP: Partial<PciFunction> = { response: "asleep" };
const wide = { speed_gts: 16, max_speed_gts: 16, max_width: 16, both_speed_gts: 16, both_width: 16 };
const link = (width: number): Partial<PciFunction> => ({
  hops: [{ device: "0000:01:00.0", port: "0000:00:01.0", width, ...wide }],
});
const errors = (correctable: Record<string, number>, more: Partial<AerCounters> = {}): Partial<PciFunction> => ({
  aer: { correctable, nonfatal: {}, fatal: {}, ...more },
});

/** A card that is looked at again and again; `null` is a look at a bus without it. */
async function watched(kept = makeStore()) {
  const logged: string[] = [];
  const log = (level: string, message: string) => void logged.push(`${level}: ${message}`);
  let health: Health = await createHealth({ store: kept.store, log });
  let time = START;
  const other = pciFunction("144d:a824", "0108", { address: "0000:02:00.0", kernel_driver: "nvme" });
  return {
    kept,
    logged,
    get health() {
      return health;
    },
    wait: (ms: number) => {
      time += ms;
    },
    async restart() {
      health = await createHealth({ store: kept.store, log });
    },
    async look(given: Partial<PciFunction> | null): Promise<Hardware[]> {
      const card = given && pciFunction("10de:2330", "0302", { kernel_driver: "nvidia", ...given });
      const functions = [...(card ? [card] : []), { ...other }];
      const found = fromScan({ functions, problems: [] }, { node, now: new Date(time), health }).hardware;
      await health.saved();
      return found;
    },
    /** The card's own condition after one more look. */
    async see(given: Partial<PciFunction>, type = "Responding") {
      const [card] = await this.look(given);
      const condition = card?.acc_status.conditions.find((one) => one.type === type);
      if (!card || !condition) throw new Error(`no ${type}`);
      return { ...condition, ready: card.acc_status.ready };
    },
  };
}

describe("a card that stops answering", () => {
  test("is not ready at once, and ready again after three good readings in a row, no fewer", async () => {
    const card = await watched();
    expect((await card.see(GOOD)).ready).toBe(true);
    card.wait(MINUTE);
    const fell = await card.see(ALL_ONES);
    expect(fell).toMatchObject({ status: "false", reason: "AllOnes", since: "2026-11-23T10:01:00.000Z", ready: false });
    expect(card.health.unsettled).toBe(false);
    card.wait(MINUTE);
    const first = await card.see(GOOD);
    expect(first).toEqual({ ...fell, message: "its config space answers again, 1 of 3 good readings" });
    expect(card.health.unsettled).toBe(true);
    expect((await card.see(GOOD)).message).toContain("2 of 3");
    // It is not there yet: what was counted is worth nothing.
    expect((await card.see(ALL_ONES)).message).toBe("all ones");
    expect((await card.see(GOOD)).message).toContain("1 of 3");
    expect((await card.see(GOOD)).ready).toBe(false);
    const back = await card.see(GOOD);
    expect(back).toMatchObject({ status: "true", since: "2026-11-23T10:02:00.000Z", ready: true });
    expect(card.health.unsettled).toBe(false);
  });

  test("changes no other card's answer", async () => {
    const card = await watched();
    const [, before] = await card.look(GOOD);
    for (const given of [ALL_ONES, GOOD, ALL_ONES, GOOD])
      expect((await card.look(given))[1]).toEqual(before as Hardware);
  });

  test("does not recover by a restart of ours, nor by going to sleep", async () => {
    const card = await watched();
    await card.see(GOOD);
    const fell = await card.see(ALL_ONES);
    await card.restart();
    expect(await card.see(GOOD)).toEqual({ ...fell, message: "its config space answers again, 1 of 3 good readings" });
    await card.restart();
    expect(await card.see(ASLEEP)).toMatchObject({ status: "false", reason: "AllOnes", action: fell.action });
    // Nothing is to be had by looking at a sleeping device again soon.
    expect(card.health.unsettled).toBe(false);
    expect((await card.see(GOOD)).message).toContain("2 of 3");
    await card.restart();
    expect(await card.see(GOOD)).toMatchObject({ status: "true", ready: true });
  });

  test("begins anew when it was taken out and put back", async () => {
    const card = await watched();
    await card.see(GOOD);
    await card.see(ALL_ONES);
    await card.look(null);
    expect(await card.see(GOOD)).toMatchObject({ status: "true", ready: true });
    await card.see(ALL_ONES);
    await card.look(null);
    await card.restart();
    expect(await card.see(GOOD)).toMatchObject({ status: "true" });
  });

  test("is taken as it is when it is seen first", async () => {
    expect(await (await watched()).see(ALL_ONES)).toMatchObject({ status: "false", reason: "AllOnes" });
    expect(await (await watched()).see(ASLEEP)).toMatchObject({ status: "unknown", reason: "Asleep" });
  });

  test("that slept and is well when it wakes is ready at once", async () => {
    const card = await watched();
    await card.see(GOOD);
    expect(await card.see(ASLEEP)).toMatchObject({ status: "unknown", ready: false });
    expect(await card.see(GOOD)).toMatchObject({ status: "true", ready: true });
  });

  test("counts one reading once, however many drivers ask about it", async () => {
    const kept = makeStore();
    const health = await createHealth({ store: kept.store, log: () => {} });
    const seen = (fn: PciFunction) =>
      fromScan({ functions: [fn], problems: [] }, { node, now: new Date(START), health }).hardware[0]?.acc_status
        .conditions[0];
    const gpu = (given: Partial<PciFunction>) => pciFunction("10de:2330", "0302", given);
    seen(gpu(ALL_ONES));
    const reading = gpu(GOOD);
    for (let i = 0; i < 5; i++) expect(seen(reading)?.message).toContain("1 of 3");
    expect(seen(gpu(GOOD))?.message).toContain("2 of 3");
  });
});

describe("a link that loses lanes", () => {
  test("is shown narrow after two readings, and full after two", async () => {
    const card = await watched();
    await card.see(link(16), "LinkFull");
    const once = await card.see(link(4), "LinkFull");
    expect(once).toMatchObject({ status: "true", reason: "LinkFull", ready: true });
    expect(once.message).toEndWith(", 1 of 2 readings that say so");
    expect(card.health.unsettled).toBe(true);
    expect(await card.see(link(4), "LinkFull")).toMatchObject({ status: "false", reason: "LinkNarrow", ready: true });
    expect(await card.see(link(16), "LinkFull")).toMatchObject({ status: "false", reason: "LinkNarrow" });
    expect(await card.see(link(16), "LinkFull")).toMatchObject({ status: "true" });
    // A moment's narrowness is none.
    await card.see(link(4), "LinkFull");
    expect(await card.see(link(16), "LinkFull")).toMatchObject({ status: "true", message: "x16 at 16 GT/s" });
    expect(card.health.unsettled).toBe(false);
  });
});

describe("a card with errors", () => {
  test("is not free of them while they rise, for as long as the window, with kinds and numbers", async () => {
    const card = await watched();
    expect(await card.see(errors({ RxErr: 5 }), "ErrorFree")).toMatchObject({
      status: "unknown",
      reason: "FirstReading",
    });
    expect(await card.see(errors({ RxErr: 5 }), "ErrorFree")).toMatchObject({ status: "true", reason: "NoErrors" });
    card.wait(MINUTE);
    const rose = await card.see(errors({ RxErr: 7, BadTLP: 1 }), "ErrorFree");
    expect(rose).toMatchObject({ status: "false", reason: "CorrectableErrors", ready: true });
    expect(rose.message).toBe("3 correctable (RxErr 2, BadTLP 1) in the last 10 minutes");
    await card.restart();
    card.wait(5 * MINUTE);
    const fatal = await card.see(errors({ RxErr: 7, BadTLP: 1 }, { fatal: { DLP: 1 } }), "ErrorFree");
    expect(fatal).toMatchObject({ status: "false", reason: "FatalErrors", ready: true });
    expect(fatal.message).toBe("1 fatal (DLP 1); 3 correctable (RxErr 2, BadTLP 1) in the last 10 minutes");
    card.wait(6 * MINUTE);
    expect((await card.see(errors({ RxErr: 7, BadTLP: 1 }, { fatal: { DLP: 1 } }), "ErrorFree")).message).toBe(
      "1 fatal (DLP 1) in the last 10 minutes",
    );
    card.wait(6 * MINUTE);
    expect(await card.see(errors({ RxErr: 7, BadTLP: 1 }, { fatal: { DLP: 1 } }), "ErrorFree")).toMatchObject({
      status: "true",
      reason: "NoErrors",
    });
  });

  test("whose counters begin anew has only the new errors", async () => {
    const card = await watched();
    await card.see(errors({ RxErr: 500 }), "ErrorFree");
    expect((await card.see(errors({ RxErr: 2 }), "ErrorFree")).message).toBe(
      "2 correctable (RxErr 2) in the last 10 minutes",
    );
  });

  test("of kinds that every object has a property of is counted all the same", async () => {
    const card = await watched();
    await card.see(errors({}), "ErrorFree");
    expect((await card.see(errors({ constructor: 2 }), "ErrorFree")).message).toContain("constructor 2");
    expect(() => parseMemory(JSON.parse(card.kept.text ?? ""))).not.toThrow();
  });

  test("in a storm fills no memory, and whatever the clock does it ends with the window", async () => {
    const card = await watched();
    for (let count = 0; count < 500; count++) {
      await card.see(errors({ RxErr: count }), "ErrorFree");
      card.wait(count % 7 === 0 ? -MINUTE : 10_000);
    }
    expect((card.kept.text ?? "").length).toBeLessThan(10_000);
    card.wait(11 * MINUTE);
    await card.see(errors({ RxErr: 499 }), "ErrorFree");
    card.wait(11 * MINUTE);
    expect(await card.see(errors({ RxErr: 499 }), "ErrorFree")).toMatchObject({ status: "true" });
  });
});

describe("what is remembered", () => {
  test("is saved when it changed, and then only", async () => {
    const card = await watched();
    await card.look(GOOD);
    expect(card.kept.saves).toBe(1);
    for (let i = 0; i < 5; i++) {
      card.wait(MINUTE);
      await card.look(GOOD);
    }
    expect(card.kept.saves).toBe(1);
    await card.look(ALL_ONES);
    expect(card.kept.saves).toBe(2);
  });

  test("that could not be saved is in the log, and saved with the next look", async () => {
    const card = await watched();
    card.kept.failing = true;
    await card.look(ALL_ONES);
    expect(card.logged).toEqual(["error: the devices' health could not be kept"]);
    card.kept.failing = false;
    await card.look(ALL_ONES);
    expect(card.kept.text).toContain("AllOnes");
  });

  test("reads back what it wrote", async () => {
    const card = await watched();
    await card.look({ ...ALL_ONES, ...link(4), ...errors({ RxErr: 1 }) });
    await card.look({ ...GOOD, ...link(4), ...errors({ RxErr: 3 }) });
    const document = JSON.parse(card.kept.text ?? "");
    expect(Object.fromEntries(parseMemory(document))).toEqual(document.devices);
  });

  test("that is none of ours is set aside with an error, and everything is seen anew", async () => {
    const hostile = [
      [],
      "x",
      {},
      { version: 2, devices: {} },
      { version: 1, devices: [] },
      { version: 1, devices: { a: null } },
      { version: 1, devices: { a: { address: "x", conditions: { Responding: { status: "maybe" } }, errors: null } } },
      { version: 1, devices: { a: { address: "x", conditions: {}, errors: { last: {}, rises: [] } } } },
    ];
    for (const document of hostile) {
      const kept = makeStore();
      kept.text = JSON.stringify(document);
      const card = await watched(kept);
      expect(card.logged).toHaveLength(1);
      expect(kept.aside).toContain("expected");
      expect(await card.see(GOOD)).toMatchObject({ ready: true });
    }
  });

  test("parses, or throws RangeError for, any document", () => {
    fc.assert(
      fc.property(
        fc.oneof(fc.jsonValue(), fc.record({ version: fc.constant(1), devices: fc.jsonValue() })),
        (document) => {
          try {
            parseMemory(document);
          } catch (error) {
            expect(error).toBeInstanceOf(RangeError);
          }
        },
      ),
    );
  });

  test("makes any sequence of readings ready only after three good ones in a row", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.constantFrom("good", "bad", "asleep", "restart"), { maxLength: 30 }),
        async (story) => {
          const card = await watched();
          await card.see(ALL_ONES);
          let good = 0;
          for (const event of story) {
            if (event === "restart") {
              await card.restart();
              continue;
            }
            const { status } = await card.see(event === "good" ? GOOD : event === "bad" ? ALL_ONES : ASLEEP);
            if (event === "good") good += 1;
            if (event === "bad") good = 0;
            if (good < 3) expect(status).toBe("false");
            // From then on the story is another one.
            else return;
          }
        },
      ),
      { numRuns: 60 },
    );
  });
});
