import { afterEach, describe, expect, test } from "bun:test";
import { ChangeList } from "../../../src/contract/change.ts";
import { Expected } from "../../../src/contract/device/expected.ts";
import { HardwareList } from "../../../src/contract/hardware.ts";
import { NodeList } from "../../../src/contract/node.ts";
import { createDriver, type DriverDevice } from "../../../src/index.ts";
import type { Store } from "../../../src/world.ts";
import { quiet, startAgent, startConductor, until } from "../../support/tiers.ts";

const stops: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0).reverse()) await stop();
});
async function kept<T extends { stop(): Promise<void> }>(made: Promise<T>): Promise<T> {
  const running = await made;
  stops.push(() => running.stop());
  return running;
}

const uuidOf = (slot: number, more = 0) => `00000000-0000-4000-8000-0000000${more}00${String(slot).padStart(2, "0")}`;
/** A card in a slot; another `serial` there is another card. */
function card(slot: number, { type = "GPU", device = "20b2", serial = slot, num = 1 } = {}): DriverDevice {
  return {
    uuid: uuidOf(slot),
    name: `card ${slot}`,
    serials: [{ kind: "dsn", value: `00-00-00-00-00-00-00-${String(serial).padStart(2, "0")}` }],
    acc_specs: { remote: 0, num, device_type: type, acc_capability: {} },
    acc_status: { setup_required: false, reboot_required: false },
    pci: {
      ...{ address: `0000:${slot + 10}:00.0`, path: `0000:00/${slot + 10}.0/00.0`, parent: null, slot: String(slot) },
      ...{ label: null, vendor_id: "10de", device_id: device, subsystem_vendor_id: null, subsystem_device_id: null },
      ...{ class: "030200", revision: "a1", vendor: null, device: null, kernel_driver: null, numa_node: null },
      ...{ iommu_group: null, link: null, sriov: null, bars: [] },
    },
  };
}
const eight = () => Array.from({ length: 8 }, (_, index) => card(index + 1));

/** A node whose driver `gpu` has what `host.cards` says, or fails. */
async function node({
  store,
  conductor,
  cards = eight(),
}: {
  store?: Store;
  conductor?: string;
  cards?: DriverDevice[];
} = {}) {
  const host = { cards: cards as DriverDevice[] | Error };
  const driver = await createDriver({
    auth: "open",
    name: "gpu",
    type: "GPU",
    world: quiet(),
    async discover() {
      if (host.cards instanceof Error) throw host.cards;
      return host.cards;
    },
  });
  const agent = await kept(startAgent({ drivers: [driver], ...(store ? { store } : {}), conductor }));
  const ask = async (method: string, path: string, body?: unknown) =>
    fetch(`${agent.url}/expected${path}`, { method, ...(body === undefined ? {} : { body: JSON.stringify(body) }) });
  const expected = async (method = "GET", path = "", body?: unknown) => {
    const response = await ask(method, path, body);
    expect(response.status).toBe(200);
    return Expected.parse(await response.json());
  };
  return {
    agent,
    host,
    ask,
    expected,
    /** Looks again, and gives what is said of the node then. */
    async now(cards: DriverDevice[] | Error) {
      host.cards = cards;
      await fetch(`${agent.url}/discovery`, { method: "POST", headers: { prefer: "wait=20" } });
      const { condition } = await expected();
      const list = HardwareList.parse(await (await fetch(`${agent.url}/hardware`)).json());
      expect(list.conditions ?? []).toEqual(condition ? [condition] : []);
      return condition;
    },
  };
}
const without = (...slots: number[]) => eight().filter((_, index) => !slots.includes(index + 1));

describe("what was learned", () => {
  test("is missed by uuid, slot and when it was last seen, and is all there again when it returns", async () => {
    const { now, expected } = await node();
    expect((await expected()).origin).toBeNull();
    const { counts, condition } = await expected("POST", "/learn");
    expect(counts).toEqual([
      { device_type: "GPU", vendor_id: "10de", device_id: "20b2", count: 8, present: 8, missing: [] },
    ]);
    expect(condition).toMatchObject({ type: "HardwarePresent", status: "true", reason: "AllPresent", action: null });
    const before = new Date().toISOString();
    await now(eight());
    const missing = await now(without(4));
    expect(missing).toMatchObject({ status: "false", reason: "HardwareMissing" });
    expect(missing?.message).toMatch(
      new RegExp(`^7 of 8 GPU 10de:20b2 present; missing ${uuidOf(4)}, last seen [\\d-]{10}T[\\d:]{8}Z, slot 4$`),
    );
    expect(missing?.action).toContain("slot 4");
    const [line] = (await expected()).counts;
    expect(line).toMatchObject({ present: 7, missing: [{ uuid: uuidOf(4), slot: "4", source: "gpu" }] });
    // The look before this one had seen it.
    expect(line?.missing[0]?.last_seen && line.missing[0].last_seen >= before).toBe(true);
    const back = await now(eight());
    expect(back?.status).toBe("true");
    expect(back && missing && back.since > missing.since).toBe(true);
  });

  test("rises by itself and never falls, but by learning again", async () => {
    const { now, expected } = await node();
    expect(await now([...eight(), card(9)])).toBeNull();
    await now(without(7, 8));
    await expected("POST", "/learn");
    expect((await now(eight()))?.message).toBe("all there: 8 GPU 10de:20b2");
    expect((await now([...eight(), card(9, { type: "FPGA", device: "0001" })]))?.message).toBe(
      "all there: 8 GPU 10de:20b2, 1 FPGA 10de:0001",
    );
    expect((await now(without(1)))?.message).toContain("7 of 8 GPU 10de:20b2 present; missing");
    expect((await now(without(1)))?.message).toContain("0 of 1 FPGA 10de:0001 present; missing");
    expect((await expected("POST", "/learn")).condition?.message).toBe("all there: 7 GPU 10de:20b2");
  });

  test("is there in another slot, and in the place of a card that was replaced", async () => {
    const { now, expected } = await node();
    await expected("POST", "/learn");
    // Its serial is where it was: the same card elsewhere.
    const moved = { ...card(12, { serial: 4 }) };
    expect((await now([...without(4), moved]))?.status).toBe("true");
    // Another serial in slot 5: the count is met, and nobody is missed.
    expect((await now([...without(4, 5), moved, card(5, { serial: 55 })]))?.status).toBe("true");
    const gone = await now([...without(4, 5, 6), moved, card(5, { serial: 55 })]);
    expect(gone?.message).toContain("7 of 8 GPU 10de:20b2 present; missing");
    expect(gone?.message).toContain(uuidOf(6));
    expect(gone?.message.match(/missing/g)).toHaveLength(1);
    // One of two that are missing is replaced: only the other one is named.
    const replaced = await now([...without(4, 5, 6, 7), moved, card(5, { serial: 55 }), card(7, { serial: 77 })]);
    expect(replaced?.message).toContain(`7 of 8 GPU 10de:20b2 present; missing ${uuidOf(6)}`);
    expect(replaced?.message.match(/missing/g)).toHaveLength(1);
  });

  test("counts cards alone: no virtual function, no companion, nothing without a kind", async () => {
    const { now, expected } = await node();
    await now([card(1), card(2, { num: 0 }), card(3, { type: "GENERIC", device: "9999" })]);
    expect((await expected("POST", "/learn")).counts).toMatchObject([{ device_type: "GPU", count: 1 }]);
    expect((await now([card(1)]))?.status).toBe("true");
  });

  test("is not known to be missing while its driver does not answer", async () => {
    const { now, expected } = await node();
    await expected("POST", "/learn");
    const silent = await now(new Error("the bus cannot be read"));
    expect(silent).toMatchObject({ status: "unknown", reason: "SourceFailed" });
    expect(silent?.message).toContain("0 of 8 GPU 10de:20b2 seen");
    expect(silent?.message).toContain("gpu");
    expect((await expected()).counts[0]?.missing).toEqual([]);
    // Learnt meanwhile it stays what it was.
    expect((await expected("POST", "/learn")).counts[0]?.count).toBe(8);
    expect((await now(without(2)))?.status).toBe("false");
    // What is missing already stays missing? Nobody can say.
    expect((await now(new Error("again")))?.status).toBe("unknown");
    expect((await now(eight()))?.status).toBe("true");
  });

  test("is kept across a restart, with when it was last seen and since when it is missing", async () => {
    let document: unknown = null;
    const store: Store = {
      load: async () => structuredClone(document),
      save: async (next) => {
        document = structuredClone(next);
      },
    };
    const first = await node({ store });
    await first.expected("POST", "/learn");
    const missing = await first.now(without(3));
    await stops.pop()?.();
    const second = await node({ store, cards: without(3) });
    expect((await second.expected()).condition).toEqual(missing);
    await stops.pop()?.();
    // One that vanishes while nobody looks was last seen when the run before ended.
    const third = await node({ store, cards: without(3, 5) });
    const both = (await third.expected()).condition;
    expect(both?.message).toMatch(new RegExp(`6 of 8 .*missing ${uuidOf(5)}, last seen \\d{4}`));
    expect(both?.since).toBe(missing?.since ?? "");
  });

  test("that can't be stored is 503, and nothing is expected", async () => {
    const store: Store = { load: async () => null, save: () => Promise.reject(new Error("ENOSPC")) };
    const { ask, expected } = await node({ store });
    expect((await ask("POST", "/learn")).status).toBe(503);
    expect((await expected()).origin).toBeNull();
  });
});

describe("what was set by hand", () => {
  test("is a kind, ids or both, stays as it was said, and names those that were there once", async () => {
    const { now, expected, ask } = await node();
    const wanted = {
      counts: [
        { device_type: "GPU", count: 8 },
        { vendor_id: "10de", device_id: "20b2", count: 9 },
      ],
    };
    const { origin, condition } = await expected("PUT", "", wanted);
    expect([origin, condition?.status]).toEqual(["set", "false"]);
    expect(condition?.message).toBe("8 of 9 10de:20b2 present");
    expect((await now([...eight(), card(9), card(10)]))?.status).toBe("true");
    expect((await now(without(1)))?.message).toContain("7 of 8 GPU present; missing");
    expect((await now([...eight(), card(9)]))?.message).toBe("all there: 8 GPU, 9 10de:20b2");
    expect((await ask("DELETE", "")).status).toBe(204);
    expect(await now(without(1))).toBeNull();
  });

  test.each([
    [{}],
    [{ counts: [] }],
    [{ counts: [{ count: 8 }] }],
    [{ counts: [{ device_type: "GPU", count: 0 }] }],
    [{ counts: [{ vendor_id: "10de", count: 1 }] }],
    [{ counts: [{ device_type: "GPU", vendor_id: "10de", count: 1 }] }],
    [{ counts: [{ vendor_id: "10DE", device_id: "20b2", count: 1 }] }],
    [{ counts: [{ device_type: "GPU", count: 1, wanted: true }] }],
    [
      {
        counts: [
          { device_type: "GPU", count: 1 },
          { device_type: "GPU", vendor_id: null, count: 2 },
        ],
      },
    ],
  ])("%j is no such thing", async (body) => {
    const { ask } = await node();
    expect((await ask("PUT", "", body)).status).toBe(400);
  });
});

describe("a conductor", () => {
  test("shows what is missing on a node, hears of each change in its feed, and of nothing when all is cleared", async () => {
    const conductor = await kept(startConductor());
    const own = await node({ conductor: conductor.url });
    const nodes = async () => NodeList.parse(await (await fetch(`${conductor.url}/nodes`)).json()).nodes;
    const shown = async () => (await nodes())[0]?.conditions ?? [];
    const feed = async (since: number) =>
      ChangeList.parse(await (await fetch(`${conductor.url}/changes?since=${since}`)).json());
    await until("the node", async () => (await feed(0)).changes.some(({ kind }) => kind === "added"));
    expect(await shown()).toEqual([]);
    await own.expected("POST", "/learn");
    await until("the condition", async () => (await shown())[0]?.status === "true");
    const { revision } = await feed(0);
    await own.now(without(4));
    await until("what is missing", async () => (await shown())[0]?.status === "false");
    expect(await shown()).toEqual([(await own.expected()).condition as never]);
    const news = (await feed(revision)).changes.map(({ kind, state }) => [kind, state]);
    expect(news).toContainEqual(["gone", null]);
    expect(news).toContainEqual(["state", "LIVE"]);
    // Only the number of those that are wanted is another one.
    await own.expected("PUT", "", { counts: [{ device_type: "GPU", count: 20 }] });
    await until("the new number", async () => (await shown())[0]?.message.startsWith("7 of 20") ?? false);
    await own.expected("PUT", "", { counts: [{ device_type: "GPU", count: 30 }] });
    await until("the next number", async () => (await shown())[0]?.message.startsWith("7 of 30") ?? false);
    await own.ask("DELETE", "");
    await until("nothing", async () => (await shown()).length === 0);
    // Nothing happens: nothing is written, once all of what did happen is.
    const unchanged = async () => {
      const before = (await feed(0)).revision;
      await own.now(without(4));
      return (await feed(0)).revision === before;
    };
    let quiet = await unchanged();
    for (let again = 0; !quiet && again < 5; again += 1) quiet = await unchanged();
    expect(quiet).toBe(true);
  });

  test("takes what a node says of itself by its word, and refuses what is no such thing alone", async () => {
    const conductor = await kept(startConductor());
    const card = { uuid: uuidOf(1), acc_status: { setup_required: false, reboot_required: false } };
    let conditions: unknown = [{ type: 5 }];
    const peer = Bun.serve({
      port: 0,
      hostname: "127.0.0.1",
      fetch: () =>
        Response.json({
          hardware: [card],
          sources: [],
          generation: JSON.stringify(conditions).slice(0, 9),
          conditions,
        }),
    });
    stops.push(async () => void peer.stop(true));
    const hello = () =>
      fetch(`${conductor.url}/hello`, {
        method: "POST",
        body: JSON.stringify({
          status: "READY",
          endpoint: `127.0.0.1:${peer.port}`,
          node: { id: uuidOf(99), name: "n9" },
          api: { min: "1.0", max: "1.0" },
        }),
      });
    await hello();
    const sources = async () =>
      (
        (await (await fetch(`${conductor.url}/hardware`)).json()) as {
          sources: { error: { message: string } | null }[];
        }
      ).sources;
    await until("the refusal", async () => (await sources())[0]?.error?.message.includes("/conditions"));
    expect((await (await fetch(`${conductor.url}/hardware/${card.uuid}`)).json()) as object).toMatchObject(card);
    conditions = [];
    await hello();
    await until("no refusal", async () => (await sources()).length === 0);
  });
});
