import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { createDialer } from "../../../../src/client/dial.ts";
import type { AlarmSeverity } from "../../../../src/contract/fleet/alarm.ts";
import { type Database, openDatabase } from "../../../../src/db/database.ts";
import { commit } from "../../../../src/tiers/conductor/alarms/commit.ts";
import type { AlarmBody, StoredAlarm } from "../../../../src/tiers/conductor/alarms/rows.ts";
import { alertmanager } from "../../../../src/tiers/conductor/delivery/alertmanager.ts";
import { createDelivery } from "../../../../src/tiers/conductor/delivery/delivery.ts";
import { id } from "../../../support/alarms.ts";
import { databases } from "../../../support/databases.ts";
import { virtualWorld } from "../../../support/world.ts";

const T = "2026-01-01T00:00:00.000Z";
const URL_ = "http://127.0.0.1:9093";

interface Alert {
  labels: { severity: string; fingerprint: string };
  endsAt?: string;
}

describe.each(databases.slice(0, 1))("an Alertmanager on $name", ({ open }) => {
  let database: Awaited<ReturnType<typeof open>>;
  let db: Database;
  let clock: ReturnType<typeof virtualWorld>;
  let delivery: ReturnType<typeof createDelivery>;
  /** Requests as they came, each alert as [fingerprint, severity, whether it ends]. */
  let posts: [string, string, "firing" | "ended"][][];
  let answer: (alerts: Alert[]) => number;
  let revisions: number;

  beforeEach(async () => {
    database = await open();
    const opened = await openDatabase(database.url);
    revisions = 0;
    db = {
      ...opened,
      revision: () => {
        revisions += 1;
        return opened.revision();
      },
    };
    posts = [];
    answer = () => 200;
    clock = virtualWorld(async (_, init) => {
      const alerts = JSON.parse(String(init?.body)) as Alert[];
      posts.push(
        alerts.map(({ labels, endsAt }) => [labels.fingerprint, labels.severity, endsAt ? "ended" : "firing"]),
      );
      return new Response(null, { status: answer(alerts) });
    });
    const { world } = clock;
    const dialer = createDialer({ allow: [], own: [] }, world);
    const target = alertmanager(URL_, { generator: null, dialer, world });
    delivery = createDelivery({ db, world, targets: [target], owner: "a", isGone: async () => false });
  });
  afterEach(async () => {
    await delivery.stop();
    await db.close();
    await database.close();
  });

  /** Writes alarms as they are now; those that say `notify` go to the target. */
  const say = (
    ...alarms: { n: number; severity?: AlarmSeverity; former?: AlarmSeverity; notify?: boolean; resolved?: boolean }[]
  ) =>
    db.write((tx) => {
      const rows = alarms.map(({ n, severity = "warning", former = null, notify = true, resolved = false }) => {
        const body: AlarmBody = {
          ...{ reason: "R", message: "m", action: null, devices: { total: 0, uuids: [] }, members: null, labels: {} },
          ...{
            acknowledged: null,
            silenced_by: null,
            notified: severity,
            former,
            trigger: { id: id(n), name: `n${n}` },
          },
        };
        const row: StoredAlarm = {
          ...{ id: id(n), fingerprint: `f${n}`, open: resolved ? null : `f${n}`, kind: "hardware.unhealthy", severity },
          ...{ state: resolved ? "resolved" : "firing", node_id: id(n), node_name: `n${n}`, source: null, uuid: null },
          ...{ since: T, fired_at: T, resolved_at: resolved ? T : null, revision: 0, body: JSON.stringify(body) },
        };
        return { row, notify };
      });
      return commit(tx, { rows, dropped: [] }, { epoch: db.epoch, now: T, targets: [`alertmanager ${URL_}`] });
    });
  const pass = async (ms: number) => {
    for (let passed = 0; passed < ms; passed += 500) {
      await clock.advance(500);
      await db.write(async () => {});
    }
  };
  const passUntil = async (done: () => boolean) => {
    for (let step = 0; step < 1_000 && !done(); step += 1) await pass(500);
    expect(done()).toBe(true);
  };
  const waiting = async () => (await delivery.targets())[0]?.waiting;

  test("gets many at once, and one by one where one of them is refused, which alone is dropped", async () => {
    await say(...Array.from({ length: 100 }, (_, n) => ({ n })));
    answer = (alerts) => (alerts.some(({ labels }) => labels.fingerprint === "f7") ? 400 : 200);
    delivery.start();
    await pass(2_000);
    expect(await waiting()).toBe(0);
    expect((await delivery.targets())[0]).toMatchObject({ delivered: 99, dropped: 1 });
    // After what is said again each minute, which is halved instead.
    const events = posts.slice(posts.findIndex((alerts) => alerts.length === 64));
    expect(events.map((alerts) => alerts.length)).toEqual([64, ...Array.from({ length: 64 }, () => 1), 36]);
  });

  test("is told what fires each minute, whatever else waits for it", async () => {
    await say({ n: 1 }, { n: 2, notify: false });
    delivery.start();
    await pass(1_000);
    posts = [];
    // It takes nothing that is new, and what it has it keeps.
    answer = (alerts) => (alerts.some(({ labels }) => labels.fingerprint === "f3") && alerts.length < 3 ? 503 : 200);
    await say({ n: 3 });
    await pass(300_000);
    expect(await waiting()).toBe(1);
    expect(posts.filter((alerts) => alerts.length === 3).length).toBeGreaterThanOrEqual(4);
  });

  test("is told again what fires though some of it is refused, or too much for one request, and that not each minute", async () => {
    const all = Array.from({ length: 250 }, (_, n) => ({ n, notify: false }));
    await say(...all);
    let taken = new Set<string>();
    answer = (alerts) => {
      if (alerts.length > 60) return 413;
      if (alerts.some(({ labels }) => labels.fingerprint === "f7")) return 400;
      for (const { labels } of alerts) taken.add(labels.fingerprint);
      return 200;
    };
    const triesOf7 = () => posts.filter((alerts) => alerts.length === 1 && alerts[0]?.[0] === "f7").length;
    delivery.start();
    await passUntil(() => taken.size === 249);
    expect([taken.has("f7"), triesOf7()]).toEqual([false, 1]);
    expect((await delivery.targets())[0]?.error).toContain("got 400");
    taken = new Set();
    await pass(60_000);
    await passUntil(() => taken.size === 249);
    expect(triesOf7()).toBe(1);
    // It may be taken later.
    answer = () => 200;
    posts = [];
    await passUntil(() => posts.some((alerts) => alerts.some(([fingerprint]) => fingerprint === "f7")));
  });

  test("is told that an alert ends whose severity has become another, beside the one that it is now", async () => {
    delivery.start();
    await say({ n: 1 });
    await pass(1_000);
    posts = [];
    await say({ n: 1, severity: "critical", former: "warning" });
    await pass(1_000);
    const changed = [
      ["f1", "warning", "ended"],
      ["f1", "critical", "firing"],
    ];
    expect(posts).toEqual([changed] as typeof posts);
    // The first time that it is repeated says so once more, and no other does.
    await pass(180_000);
    expect(posts.slice(1).filter((alerts) => alerts.length === 2)).toEqual([changed] as typeof posts);
    posts = [];
    // Less grave is no news; what is repeated is right all the same.
    await say({ n: 1, severity: "warning", former: "critical", notify: false });
    await pass(60_000);
    expect(posts[0]).toEqual([
      ["f1", "critical", "ended"],
      ["f1", "warning", "firing"],
    ]);
  });

  test("costs a busy database little: commits one after the other have it look once", async () => {
    delivery.start();
    await pass(2_000);
    revisions = 0;
    for (let n = 0; n < 200; n += 1) await db.write(async () => {});
    await clock.advance(100);
    expect(revisions).toBe(1);
  });
});
