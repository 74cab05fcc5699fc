import { afterAll, describe, expect, test } from "bun:test";
import { createHmac } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { AlarmList } from "../../../src/contract/fleet/alarm.ts";
import { DeliveryList } from "../../../src/contract/fleet/delivery.ts";
import type { AlarmEvent } from "../../../src/tiers/conductor/delivery/event.ts";
import { databases } from "../../support/databases.ts";
import { freePort } from "../../support/ports.ts";
import { endAll, type RunningSinew, startSinew, until } from "../../support/process.ts";

const KEY = "a key that nobody else has";
const NODE = { id: "6f1a3f0e-9f57-4c8e-8f5e-0d0c1a2b3c4d", name: "n1" };
const home = mkdtempSync(join(tmpdir(), "sinew-delivery-"));
const keyFile = join(home, "key");
writeFileSync(keyFile, `${KEY}\n`, { mode: 0o600 });

/** A node with nothing in it. */
const agent = Bun.serve({
  port: 0,
  hostname: "127.0.0.1",
  fetch: () => Response.json({ hardware: [], sources: [], generation: "g" }),
});

afterAll(async () => {
  await endAll();
  await agent.stop(true);
  rmSync(home, { recursive: true, force: true });
});

/** Says hello as a node that no conductor of today understands, or as one that it does. */
const hello = (conductor: RunningSinew, major: number) =>
  fetch(`${conductor.url}/hello`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({
      ...{ status: "READY", endpoint: `http://127.0.0.1:${agent.port}`, node: NODE },
      api: { min: `${major}.0`, max: `${major}.0` },
    }),
  });
const alarms = async (conductor: RunningSinew) =>
  AlarmList.parse(await (await fetch(`${conductor.url}/alarms`)).json()).alarms;

describe.each(databases)("alarms told by a conductor process on $name", ({ name, open }) => {
  test("nothing is lost with a kill -9 between transition and delivery, and nothing is told under two ids", async () => {
    const database = await open();
    /** By id: how often. */
    const got = new Map<string, { event: AlarmEvent; times: number }>();
    let status = 500;
    let refused = 0;
    const receiver = Bun.serve({
      port: 0,
      hostname: "127.0.0.1",
      async fetch(request) {
        const body = await request.text();
        const { headers } = request;
        const signed = `${headers.get("webhook-id")}.${headers.get("webhook-timestamp")}.${body}`;
        if (headers.get("webhook-signature") !== `v1,${createHmac("sha256", KEY).update(signed).digest("base64")}`)
          return new Response("not signed by us", { status: 401 });
        const event = JSON.parse(body) as AlarmEvent;
        if (status !== 200) refused += 1;
        else got.set(event.id, { event, times: (got.get(event.id)?.times ?? 0) + 1 });
        return new Response(null, { status });
      },
    });
    const state = join(home, name);
    const start = () =>
      startSinew([
        ...["--role", "conductor", "--state", state, "--db", database.url, "--alarm-hold", "0"],
        ...["--webhook", `http://127.0.0.1:${receiver.port}/hook`, "--webhook-key-file", keyFile],
      ]);
    try {
      let conductor = await start();
      expect((await hello(conductor, 9)).status).toBe(409);
      await until(() => refused > 0);
      await conductor.stop("SIGKILL");
      expect(got.size).toBe(0);
      status = 200;
      conductor = await start();
      await until(() => got.size === 1);
      expect((await hello(conductor, 1)).status).toBe(200);
      await until(() => got.size === 2);
      const events = [...got.values()].map(({ event }) => event);
      expect(events.map(({ type, data }) => [type, data.kind, data.node?.name])).toEqual([
        ["sinew.alarm.firing", "agent.incompatible", "n1"],
        ["sinew.alarm.resolved", "agent.incompatible", "n1"],
      ]);
      expect(events[0]?.data.fingerprint).toBe(events[1]?.data.fingerprint ?? "");
      expect([...got.values()].map(({ times }) => times)).toEqual([1, 1]);
      expect((await alarms(conductor)).map(({ state }) => state)).toEqual(["resolved"]);
      expect(await conductor.stop("SIGTERM")).toBe(0);
    } finally {
      await endAll();
      await receiver.stop(true);
      await database.close();
    }
  }, 60_000);
});

const alertmanager = Bun.which("prometheus-alertmanager") ?? Bun.which("alertmanager");

describe.skipIf(alertmanager === null)("alarms told to a real Alertmanager", () => {
  test("an alarm is an alert there while it fires, also after Alertmanager was away, and is resolved there", async () => {
    const port = await freePort();
    const url = `http://127.0.0.1:${port}`;
    writeFileSync(join(home, "am.yml"), "route:\n  receiver: nobody\nreceivers:\n  - name: nobody\n");
    const run = () =>
      Bun.spawn(
        [
          alertmanager ?? "",
          ...[`--config.file=${join(home, "am.yml")}`, `--storage.path=${join(home, "am")}`],
          ...[`--web.listen-address=127.0.0.1:${port}`, "--cluster.listen-address="],
        ],
        { stdout: "ignore", stderr: "ignore" },
      );
    interface Alert {
      labels: Record<string, string>;
      annotations: Record<string, string>;
      endsAt: string;
      generatorURL: string;
    }
    const alerts = async () => {
      const answer = await fetch(`${url}/api/v2/alerts?active=true`).catch(() => null);
      return answer?.ok ? ((await answer.json()) as Alert[]) : null;
    };
    const fired = async () => (await alerts())?.length === 1;
    let process = run();
    try {
      await until(async () => (await alerts()) !== null, 20_000);
      const args = ["--role", "conductor", "--state", join(home, "am-state"), "--alarm-hold", "0"];
      const start = () => startSinew([...args, "--alertmanager", url]);
      let conductor = await start();
      await hello(conductor, 9);
      await until(fired, 20_000);
      const [alert] = (await alerts()) ?? [];
      const [alarm] = await alarms(conductor);
      expect(alert?.labels).toMatchObject({
        ...{ alertname: "agent.incompatible", severity: "warning", node: "n1", node_id: NODE.id },
        fingerprint: alarm?.fingerprint ?? "",
      });
      expect(alert?.annotations.summary).toBe(alarm?.message ?? "");
      expect(alert?.generatorURL).toBe(`${conductor.url}/alarms/${alarm?.id}`);
      // It forgets all that it knew: what fires is told to it again.
      process.kill("SIGKILL");
      await process.exited;
      rmSync(join(home, "am"), { recursive: true });
      process = run();
      await until(async () => (await alerts()) !== null, 20_000);
      await conductor.stop("SIGKILL");
      conductor = await start();
      await until(fired, 20_000);
      await hello(conductor, 1);
      await until(async () => (await alerts())?.length === 0, 20_000);
      const { deliveries } = DeliveryList.parse(await (await fetch(`${conductor.url}/deliveries`)).json());
      expect(deliveries).toMatchObject([{ waiting: 0, dropped: 0, error: null }]);
    } finally {
      process.kill("SIGKILL");
      await process.exited;
      await endAll();
    }
  }, 90_000);
});
