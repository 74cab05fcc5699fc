import { afterEach, describe, expect, test } from "bun:test";
import { type Caller, IN_PROCESS } from "../../../src/auth/caller.ts";
import { HistoryList, SetupPlanned } from "../../../src/contract/device/setup.ts";
import { Telemetry } from "../../../src/contract/device/telemetry.ts";
import { Accepted, Operation } from "../../../src/contract/operation.ts";
import { Problem } from "../../../src/contract/problem-schema.ts";
import { type AgentOptions, createDriver } from "../../../src/index.ts";
import { CARD, quiet, startAgent, startConductor, startDriver, until } from "../../support/tiers.ts";
import { driverWith, FORCE, fakeSetup, PLAN } from "./support.ts";

const stops: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0).reverse()) await stop();
});
const kept = async <T extends { stop(): Promise<void> }>(made: Promise<T>): Promise<T> => {
  const running = await made;
  stops.push(() => running.stop());
  return running;
};

const get = (url: string, path: string) => fetch(`${url}/hardware/${CARD.uuid}/${path}`);
const has = async (url: string) => (await fetch(`${url}/hardware/${CARD.uuid}`)).ok;
const setUp = (url: string, body: unknown, headers: Record<string, string> = {}) =>
  fetch(`${url}/hardware/${CARD.uuid}/setup`, {
    method: "POST",
    body: JSON.stringify(body),
    headers: { "content-type": "application/json", ...headers },
  });
const operation = async (url: string, uuid: string, wait = 0) =>
  Operation.parse(
    await (await fetch(`${url}/operations/${uuid}`, { headers: wait ? { prefer: `wait=${wait}` } : {} })).json(),
  );
const problem = async (response: Response) => Problem.parse(await response.json());

/** An agent with this driver, and a conductor that has it in its fleet. */
async function fleet(options: Partial<AgentOptions>) {
  const conductor = await kept(startConductor());
  const agent = await kept(startAgent({ conductor: conductor.url, remoteSetup: "apply", ...options }));
  await until("the conductor to know the device", () => has(conductor.url));
  return { conductor, agent };
}

const measured = {
  telemetry: async () => [{ name: "temperature_celsius", labels: { sensor: "hwmon0" }, value: 41.5 }],
};

describe("what is measured, written and wanted of a device", () => {
  test("is the driver's answer at the driver, its agent and its conductor", async () => {
    const write = {
      time: "2026-11-23T04:26:08.219Z",
      operation: CARD.uuid,
      kind: "apply" as const,
      actor: "auto",
      address: "0000:3b:00.0",
      path: "/sys/bus/pci/drivers_probe",
      from: null,
      to: "0000:3b:00.0",
      outcome: "done" as const,
      message: null,
    };
    const { setup } = fakeSetup([write]);
    const { conductor, agent } = await fleet({ drivers: [await driverWith({ ...measured, setup })] });
    for (const url of [`${agent.url}/drivers/crypto`, agent.url, conductor.url]) {
      const telemetry = Telemetry.parse(await (await get(url, "telemetry")).json());
      expect(telemetry.uuid).toBe(CARD.uuid);
      expect(telemetry.measurements).toEqual([
        { name: "temperature_celsius", labels: { sensor: "hwmon0" }, value: 41.5 },
      ]);
      expect(HistoryList.parse(await (await get(url, "history")).json())).toEqual({ history: [write] });
      const planned = await setUp(url, { dry_run: true });
      expect(planned.status).toBe(200);
      expect(SetupPlanned.parse(await planned.json())).toEqual({ plan: PLAN });
    }
  });

  test("is 404 where there is no such device, and 409 where two rows have the uuid", async () => {
    const twin = await createDriver({
      auth: "open",
      name: "twin",
      type: "CRYPTO",
      discover: async () => [CARD],
      world: quiet(),
    });
    const { setup } = fakeSetup();
    const agent = await kept(startAgent({ drivers: [await driverWith({ ...measured, setup }), twin] }));
    const conductor = await kept(startConductor());
    for (const path of ["telemetry", "history"]) {
      const twice = await get(agent.url, path);
      expect([twice.status, (await problem(twice)).code]).toEqual([409, "ambiguous_uuid"]);
      const never = await get(conductor.url, path);
      expect([never.status, (await problem(never)).code]).toEqual([404, "not_found"]);
    }
    for (const body of [{}, { dry_run: true }]) {
      expect((await problem(await setUp(agent.url, body))).code).toBe("ambiguous_uuid");
      expect((await problem(await setUp(conductor.url, body))).code).toBe("not_found");
    }
  });

  test("is said plainly to be nothing of a driver that only lists: a library's, or the seed's", async () => {
    const seed = Bun.serve({
      port: 0,
      hostname: "127.0.0.1",
      fetch: (request) =>
        new URL(request.url).pathname === "/hardware"
          ? Response.json({ hardware: [{ uuid: CARD.uuid }] })
          : new Response(null, { status: 404 }),
    });
    stops.push(async () => void seed.stop(true));
    const library = await kept(startAgent({ drivers: [await driverWith(undefined)] }));
    const seeds = await kept(startAgent({ drivers: [] }));
    const hello = { status: "READY", endpoint: `127.0.0.1:${seed.port}`, type: "CRYPTO" };
    await fetch(`${seeds.url}/hello`, { method: "POST", body: JSON.stringify(hello) });
    await until("the seed driver's device", () => has(seeds.url));
    for (const { url } of [library, seeds]) {
      const telemetry = await get(url, "telemetry");
      expect([telemetry.status, (await problem(telemetry)).detail]).toEqual([
        404,
        expect.stringContaining("measures nothing"),
      ]);
      const { plan } = SetupPlanned.parse(await (await setUp(url, { dry_run: true })).json());
      expect(plan).toMatchObject({ desired: null, writes: [], refusals: [{ name: "unsupported" }] });
      const real = await setUp(url, {});
      expect(real.status).toBe(409);
      expect(await problem(real)).toMatchObject({ code: "setup_refused", errors: [{ pointer: "unsupported" }] });
    }
    expect(await (await get(library.url, "history")).json()).toEqual({ history: [] });
    expect((await get(seeds.url, "history")).status).toBe(404);
  });
});

describe("POST /hardware/{uuid}/setup", () => {
  test("is refused with every reason by name at each tier, before there is an operation", async () => {
    const { setup, asked } = fakeSetup();
    const { conductor, agent } = await fleet({ drivers: [await driverWith({ setup })] });
    for (const url of [`${agent.url}/drivers/crypto`, agent.url, conductor.url]) {
      const refused = await setUp(url, {});
      expect(refused.status).toBe(409);
      expect(await problem(refused)).toMatchObject({
        code: "setup_refused",
        detail: "eth0 has the default route; /var is on it",
        errors: [
          { pointer: "default-route", detail: "eth0 has the default route" },
          { pointer: "mounted", detail: "/var is on it" },
        ],
      });
      const busy = await setUp(url, { force: ["busy-group"] });
      expect([busy.status, (await problem(busy)).code]).toEqual([409, "busy"]);
    }
    expect(asked).toEqual([]);
  });

  test("wants a body that says nothing it does not know", async () => {
    const { setup } = fakeSetup();
    const agent = await kept(startAgent({ drivers: [await driverWith({ setup })] }));
    for (const body of [[], null, { dryrun: true }, { force: "mounted" }, { dry_run: "yes" }]) {
      expect((await setUp(agent.url, body)).status).toBe(400);
    }
    const url = `${agent.url}/hardware/${CARD.uuid}/setup`;
    expect((await fetch(url, { method: "POST" })).status).toBe(400);
    expect((await fetch(url, { method: "POST", body: "{}", headers: { "content-type": "text/plain" } })).status).toBe(
      415,
    );
  });

  test("is one operation per tier, whose children are the driver's steps as they come, and names who asked", async () => {
    const { setup, asked, go } = fakeSetup();
    const { conductor, agent } = await fleet({ drivers: [await driverWith({ setup })] });
    const response = await setUp(conductor.url, FORCE);
    expect(response.status).toBe(202);
    const { operation: uuid } = Accepted.parse(await response.json());
    expect(response.headers.get("location")).toBe(`/operations/${uuid}`);
    const steps = async () => (await operation(conductor.url, uuid)).children.map(({ name, status }) => [name, status]);
    await until("the first step", async () => (await steps()).length === 1);
    expect(await steps()).toEqual([["unbind", "IN-PROGRESS"]]);
    // The same call again joins; another one for the device has to wait.
    expect(Accepted.parse(await (await setUp(conductor.url, FORCE)).json()).operation).toBe(uuid);
    expect((await problem(await setUp(conductor.url, { revert: true }))).code).toBe("busy");
    expect((await problem(await setUp(agent.url, { revert: true }))).code).toBe("busy");
    go(0);
    await until("the second step", async () => (await steps()).length === 2);
    expect(await steps()).toEqual([
      ["unbind", "SUCCEEDED"],
      ["bind", "IN-PROGRESS"],
    ]);
    go(1);
    const ended = await operation(conductor.url, uuid, 20);
    expect(ended).toMatchObject({ kind: "setup", status: "SUCCEEDED" });
    expect(ended.children.map(({ status }) => status)).toEqual(["SUCCEEDED", "SUCCEEDED"]);
    expect(asked).toMatchObject([{ uuid: CARD.uuid, actor: "anyone, through the conductor" }]);
  });

  test("with Prefer: wait answers the finished operation, a failed one with what state was left", async () => {
    const { setup, go } = fakeSetup();
    const { conductor } = await fleet({ drivers: [await driverWith({ setup })] });
    go(0);
    go(1);
    const failed = await setUp(conductor.url, { revert: true }, { prefer: "wait=20" });
    expect(failed.status).toBe(200);
    const { status, children } = Operation.parse(await failed.json());
    expect(status).toBe("FAILED");
    expect(children.at(-1)).toMatchObject({
      name: "bind",
      status: "FAILED",
      error: "bind: EBUSY; the device is left without a driver",
    });
    const done = await setUp(conductor.url, FORCE, { prefer: "wait=20" });
    expect(Operation.parse(await done.json()).status).toBe("SUCCEEDED");
  });

  test("asks the driver by the driver's own uuid for a card that has moved", async () => {
    const pci = (path: string, address: string) => ({
      ...{ address, path, parent: null, slot: null, label: null, vendor_id: "8086", device_id: "4940" },
      ...{ subsystem_vendor_id: null, subsystem_device_id: null, class: "0b4000", revision: "40", vendor: null },
      ...{ device: null, kernel_driver: null, numa_node: null, iommu_group: null, link: null, sriov: null, bars: [] },
    });
    const serials = [{ kind: "dsn", value: "00-a0-c9-ff-fe-12-34-56" }];
    const second = "9e45a2ea-5364-4b0d-a252-bf8becaa606e";
    let moved = false;
    const { setup, asked, go } = fakeSetup();
    go(0);
    go(1);
    const driver = await driverWith({ setup }, () =>
      moved
        ? [{ ...CARD, uuid: second, serials, pci: pci("0000:00/02.0/00.0", "0000:5e:00.0") }]
        : [{ ...CARD, serials, pci: pci("0000:00/01.0/00.0", "0000:3b:00.0") }],
    );
    const { agent, conductor } = await fleet({ drivers: [driver] });
    moved = true;
    await fetch(`${agent.url}/discovery`, { method: "POST", headers: { prefer: "wait=20" } });
    expect(agent.tier.nodeUuid("crypto", second)).toBe(CARD.uuid);
    const done = await setUp(conductor.url, FORCE, { prefer: "wait=20" });
    expect(Operation.parse(await done.json()).status).toBe("SUCCEEDED");
    expect(asked.map(({ uuid }) => uuid)).toEqual([second]);
  });
});

describe("a tier below that does not answer", () => {
  test("is 502 with its name", async () => {
    const conductor = await kept(startConductor());
    const driver = await startDriver();
    const agent = await kept(startAgent({ drivers: [], conductor: conductor.url, remoteSetup: "apply" }));
    const hello = { status: "READY", endpoint: driver.url, type: "CRYPTO", name: "crypto" };
    await fetch(`${agent.url}/hello`, { method: "POST", body: JSON.stringify(hello) });
    await until("the conductor to know the device", () => has(conductor.url));
    await driver.stop();
    for (const { url } of [agent, conductor]) {
      for (const response of [await get(url, "telemetry"), await setUp(url, {})]) {
        expect(response.status).toBe(502);
        const { code, detail } = await problem(response);
        expect(code).toBe("peer_failed");
        expect(detail).toStartWith("driver crypto: ");
      }
    }
  });

  test("in time is 504", async () => {
    const slow = { telemetry: () => new Promise<never>(() => {}) };
    const agent = await kept(startAgent({ drivers: [await driverWith(slow)], limits: { deadlineMs: 300 } }));
    const late = await get(agent.url, "telemetry");
    expect([late.status, (await problem(late)).code]).toEqual([504, "peer_timeout"]);
  });
});

describe("--remote-setup", () => {
  const asked = [
    ["off", 403, 403],
    ["plan", 200, 403],
    ["apply", 200, 409],
    [undefined, 200, 403],
  ] as const;
  test.each(asked)(
    "%s lets a conductor plan (%d) and carry out (%d), and the node's own do all",
    async (remoteSetup, plan, apply) => {
      const { setup } = fakeSetup();
      const { conductor, agent } = await fleet({ drivers: [await driverWith({ setup })], remoteSetup });
      const planned = await setUp(conductor.url, { dry_run: true });
      expect(planned.status).toBe(plan);
      if (plan === 403) expect((await problem(planned)).detail).toContain("--remote-setup off");
      const real = await setUp(conductor.url, {});
      expect(real.status).toBe(apply);
      if (apply === 403) expect(await problem(real)).toMatchObject({ code: "forbidden" });
      // At the node itself.
      expect((await setUp(agent.url, { dry_run: true })).status).toBe(200);
      expect((await setUp(agent.url, {})).status).toBe(409);
      // Over a link a conductor reaches what hangs below the agent as well.
      const url = `http://localhost/drivers/crypto/hardware/${CARD.uuid}/setup`;
      const request = new Request(url, { method: "POST", body: "{}" });
      const above = await agent.tier.fetch(request, { caller: { role: "above", name: "the conductor" } });
      expect([above.status, (await problem(above)).code]).toEqual([403, "forbidden"]);
    },
  );
});

describe("who asked", () => {
  const cases: [who: string, caller: Caller, headers: Record<string, string>, actor: string][] = [
    ["an operator", { role: "operator", name: "token 7 (ada)" }, {}, "token 7 (ada)"],
    ["an operator who claims to be another", { role: "operator", name: "token 7" }, { said: "root" }, "token 7"],
    ["the agent in this process", IN_PROCESS, { said: "token 7" }, "token 7"],
    [
      "an agent of this node",
      { role: "admin", name: "this node", local: true },
      { said: "Ada Grünwald" },
      "Ada Grünwald",
    ],
    ["who wrote it otherwise", { role: "admin", name: "this node", local: true }, { raw: "100%" }, "100%"],
    ["who writes without end", IN_PROCESS, { said: "x".repeat(5_000) }, "x".repeat(300)],
  ];
  test.each(cases)("is %s", async (_, caller, { said, raw }, actor) => {
    const { setup, asked, go } = fakeSetup();
    go(0);
    go(1);
    const driver = await driverWith({ setup });
    await driver.start();
    stops.push(() => driver.stop());
    const header = raw ?? (said === undefined ? undefined : encodeURIComponent(said));
    const response = await driver.fetch(
      new Request(`http://localhost/hardware/${CARD.uuid}/setup`, {
        method: "POST",
        body: JSON.stringify(FORCE),
        headers: header === undefined ? {} : { "sinew-actor": header },
      }),
      { caller },
    );
    expect(response.status).toBe(202);
    expect(asked.map((one) => one.actor)).toEqual([actor]);
  });
});
