import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { createHmac } from "node:crypto";
import { parseCidrs } from "../../../../src/client/address.ts";
import { createDialer } from "../../../../src/client/dial.ts";
import type { Alarm } from "../../../../src/contract/fleet/alarm.ts";
import { createAlarmDesk } from "../../../../src/create/alarms.ts";
import { type Database, openDatabase } from "../../../../src/db/database.ts";
import { reserveRevisions } from "../../../../src/db/queries/changes.ts";
import { addDeliveries } from "../../../../src/db/queries/fleet/deliveries.ts";
import { createDelivery } from "../../../../src/tiers/conductor/delivery/delivery.ts";
import { eventOf } from "../../../../src/tiers/conductor/delivery/event.ts";
import { webhook, webhookKey } from "../../../../src/tiers/conductor/delivery/webhook.ts";
import { databases } from "../../../support/databases.ts";
import { virtualWorld } from "../../../support/world.ts";

const URL_ = "http://127.0.0.1:9999/hook/secret";
const KEY = "a key that nobody else has";
const HOUR = 3_600_000;

const alarm = (n: number): Alarm => ({
  ...{ id: `00000000-0000-4000-8000-00000000000${n}`, fingerprint: "f", kind: "agent.lost", state: "firing" },
  ...{ severity: "critical", node: null, source: null, uuid: null, reason: "Silent", message: "silent", action: null },
  ...{ since: "2026-01-01T00:00:00Z", fired_at: "2026-01-01T00:00:00Z", resolved_at: null, members: null },
  ...{ devices: { total: 0, uuids: [] }, acknowledged: null, silenced_by: null, revision: n },
});

describe.each(databases)("delivery on $name", ({ open }) => {
  let database: Awaited<ReturnType<typeof open>>;
  let db: Database;
  let clock: ReturnType<typeof virtualWorld>;
  let received: { id: string; at: number; data: Alarm }[];
  /** What the receiver answers, one after the other; then 200. A hanging one never does. */
  let answers: (number | "hang" | "refuse")[];
  let stops: (() => Promise<void>)[];

  beforeEach(async () => {
    database = await open();
    db = await openDatabase(database.url);
    [received, answers, stops] = [[], [], []];
    clock = virtualWorld(
      async (_, init) => {
        const body = String(init?.body);
        const headers = new Headers(init?.headers);
        const signed = `${headers.get("webhook-id")}.${headers.get("webhook-timestamp")}.${body}`;
        expect(headers.get("webhook-signature")).toBe(
          `v1,${createHmac("sha256", KEY).update(signed).digest("base64")}`,
        );
        expect(init?.redirect).toBe("manual");
        const { id, data } = JSON.parse(body);
        expect(headers.get("webhook-id")).toBe(id);
        received.push({ id, at: clock.world.monotonic(), data });
        const answer = answers.shift() ?? 200;
        if (answer === "refuse") throw new TypeError("connection refused");
        if (answer === "hang") return new Promise<Response>(() => {});
        return new Response("thank you", { status: answer });
      },
      { "inside.example": ["10.0.0.7"], "meta.example": ["169.254.169.254"] },
    );
  });
  afterEach(async () => {
    for (const stop of stops) await stop();
    await db.close();
    await database.close();
  });

  function start(options: { owner?: string; gone?: string[]; url?: string; dial?: string } = {}) {
    const { owner = "a", gone = [], url = URL_, dial } = options;
    const dialer = createDialer({ allow: dial ? (parseCidrs(dial) ?? []) : [], own: [] }, clock.world);
    const target = webhook(url, { key: webhookKey(KEY), dialer, world: clock.world });
    const isGone = async (one: string) => gone.includes(one);
    const delivery = createDelivery({ db, world: clock.world, targets: [target], owner, isGone });
    delivery.start();
    stops.push(() => delivery.stop());
    return delivery;
  }
  const store = (numbers: number[], url = URL_) =>
    db.write(async (tx) => {
      await reserveRevisions(tx, 1);
      const now = clock.world.now().toISOString();
      await addDeliveries(
        tx,
        numbers.map((n) => ({
          ...{
            target: `webhook ${url}`,
            alarm: alarm(n).id,
            created_at: now,
            attempts: 0,
            error: null,
            claimed_by: null,
          },
          event: JSON.stringify(eventOf(alarm(n), { epoch: db.epoch, now, former: null })),
        })),
      );
    });
  const left = async () => (await db.read.query((q, { deliveries }) => q.select().from(deliveries))).length;
  const passUntil = async (done: () => Promise<boolean> | boolean, step = 1_000) => {
    const end = performance.now() + 15_000;
    while (!(await done()) && performance.now() < end) {
      await clock.advance(step);
      await db.write(async () => {});
    }
    expect(await done()).toBe(true);
  };
  const shown = () => received.map(({ data }) => data.revision);

  test("each is told once, in order, signed", async () => {
    const delivery = start();
    await store([1, 2, 3]);
    await passUntil(async () => (await left()) === 0);
    expect(shown()).toEqual([1, 2, 3]);
    const target = "webhook http://127.0.0.1:9999";
    expect(await delivery.targets()).toEqual([{ target, waiting: 0, delivered: 3, dropped: 0, error: null }]);
  });

  test("what fails, hangs or is too much is told again under the same id, ever later, and what follows waits for it", async () => {
    answers = [500, "refuse", "hang", 429, 302, 503];
    start();
    await store([1, 2]);
    await passUntil(async () => (await left()) === 0);
    expect(shown()).toEqual([1, 1, 1, 1, 1, 1, 1, 2]);
    const [first, ...rest] = received;
    expect(new Set([first, ...rest.slice(0, 6)].map((one) => one?.id)).size).toBe(1);
    const gaps = received.slice(1, 7).map(({ at }, index) => at - (received[index]?.at ?? 0));
    // At least half of a second, doubled each time: this clock runs on while the database works, so any may be longer.
    expect(gaps.map((gap, n) => gap >= 500 * 2 ** n)).toEqual(gaps.map(() => true));
  });

  test("what is refused for what it is is dropped and counted, and holds up nothing", async () => {
    answers = [404];
    const delivery = start();
    await store([1, 2]);
    await passUntil(async () => (await left()) === 0);
    expect(shown()).toEqual([1, 2]);
    expect((await delivery.targets())[0]).toMatchObject({ delivered: 1, dropped: 1 });
  });

  test("what nobody takes for a day is dropped and counted; the clock on the wall makes no day pass", async () => {
    answers = Array.from({ length: 2_000 }, () => 503);
    const delivery = start();
    await store([1]);
    await passUntil(() => received.length > 2);
    const real = clock.world.now;
    clock.world.now = () => new Date(real().getTime() + 100 * HOUR);
    await passUntil(() => clock.world.monotonic() > 2 * HOUR, HOUR / 4);
    expect(await left()).toBe(1);
    await passUntil(async () => (await left()) === 0, HOUR / 2);
    expect(clock.world.monotonic()).toBeGreaterThan(24 * HOUR);
    expect((await delivery.targets())[0]).toMatchObject({ delivered: 0, dropped: 1, waiting: 0 });
  });

  test("two conductors tell each once; one takes over what another claimed only when that is gone", async () => {
    answers = ["hang"];
    start({ owner: "a" });
    await store([1, 2]);
    await passUntil(() => received.length === 1, 100);
    const gone: string[] = [];
    start({ owner: "b", gone });
    for (let step = 0; step < 5; step += 1) await clock.advance(1_000);
    expect(received).toHaveLength(1);
    gone.push("a");
    await passUntil(async () => (await left()) === 0, 500);
    // The first, which one had sent when it was given up, comes again with its id: its receiver knows it.
    expect(new Set(received.map(({ id }) => id)).size).toBe(2);
    expect(shown().at(-1)).toBe(2);
  });

  test("no address is called that an agent's endpoint could not have", async () => {
    for (const [url, dial] of [
      ["http://10.0.0.7/", undefined],
      ["http://inside.example/", undefined],
      ["http://meta.example/", "169.254.0.0/16"],
      ["http://169.254.169.254/", undefined],
    ] as const) {
      const delivery = start({ url, ...(dial ? { dial } : {}) });
      await store([1], url);
      await passUntil(async () => (await delivery.targets())[0]?.error !== null);
      expect((await delivery.targets())[0]).toMatchObject({ waiting: 1 });
    }
    expect(received).toEqual([]);
    start({ url: "http://inside.example/", dial: "10.0.0.0/8", owner: "b", gone: ["a"] });
    await passUntil(() => received.length === 1);
  });

  test("no address is called where the conductor itself answers: what it announces, and its listener", async () => {
    const own = ["http://127.0.0.1:1336/hello", "http://127.0.0.1:8080/hello"];
    const desk = createAlarmDesk(
      { webhooks: own, webhookKey: KEY },
      {
        ...{ db, world: clock.world, owner: "a", isGone: async () => false },
        ...{ endpoint: "http://localhost:8080", listener: "http://0.0.0.0:1336" },
      },
    );
    for (const url of own) await store([1], url);
    desk.start();
    stops.push(() => desk.stop());
    await passUntil(async () => (await desk.targets()).every(({ error }) => error?.includes("this tier's own")));
    expect((await desk.targets()).map(({ waiting }) => waiting)).toEqual([1, 1]);
    expect(received).toEqual([]);
  });
});

test("webhookKey() reads what Standard Webhooks makes, and any other text as it is", () => {
  expect(webhookKey("whsec_AAECAw==")).toEqual(new Uint8Array([0, 1, 2, 3]));
  expect(webhookKey("whsec_*")).toEqual(new TextEncoder().encode("whsec_*"));
});
