import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ChangeList } from "../src/contract/change.ts";
import { SetupPlanned } from "../src/contract/device/setup.ts";
import { Telemetry } from "../src/contract/device/telemetry.ts";
import { ConductorList } from "../src/contract/fleet/conductor.ts";
import { FleetHardwareList, type Hardware, HardwareList } from "../src/contract/hardware.ts";
import { NodeList } from "../src/contract/node.ts";
import { Operation } from "../src/contract/operation.ts";
import type { AlarmEvent } from "../src/tiers/conductor/delivery/event.ts";
import { databases } from "./support/databases.ts";
import { type Follower, follow } from "./support/follower.ts";
import { endAll, type RunningSinew, sinew, startSinew, until } from "./support/process.ts";
import { makeTree } from "./support/tree.ts";

/**
 * The story of one device, as operators see it: a host with two root ports and a crypto card, an agent process that has
 * joined its conductor by a token and holds a link to it over TLS, a driver process of its own behind a unix socket, a
 * conductor process on each database. Nobody is let in without a credential. Each test is the next thing that happens.
 */
const ADDRESS = "0000:3b:00.0";
const QAT = { vendor: "8086", device: "4940", class: "0b4000", revision: "40", serial: "00-a0-c9-ff-fe-12-34-56" };

describe.each(databases)("one device, on $name", ({ name, empty }) => {
  const home = mkdtempSync(join(tmpdir(), "sinew-flow-"));
  const tree = makeTree();
  let database: Awaited<ReturnType<typeof empty>>;
  let conductor: RunningSinew;
  let agent: RunningSinew;
  let driver: RunningSinew;
  let uuid = "";
  /** Its config space while it was well. */
  let working = new Uint8Array();
  let viewer = "";
  let operator = "";
  let meter = "";
  /** Reads the feed from the first line to the last, and no list. */
  let follower: Follower;
  /** What somebody who is told of alarms has heard. */
  const heard: AlarmEvent[] = [];
  const receiver = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    async fetch(request) {
      heard.push((await request.json()) as AlarmEvent);
      return new Response();
    },
  });
  const hears = (type: string, kind: string) =>
    until(() => heard.some(({ type: is, data }) => is === `sinew.alarm.${type}` && data.kind === kind));

  beforeAll(async () => {
    const port = { vendor: "8086", device: "352a", class: "060400", driver: "pcieport" };
    tree.add({ address: "0000:00:01.0", secondary: 0x3b, ...port });
    tree.add({ address: "0000:00:02.0", secondary: 0x5e, ...port });
    database = await empty();
    writeFileSync(join(home, "webhook.key"), "a key that both know", { mode: 0o600 });
    conductor = await startConductor("127.0.0.1:0");
    viewer = (
      await sinew(["token", "create", "--role", "viewer", "--name", "flow", "--state", join(home, "c")])
    ).trim();
    follower = follow((init) => ask("/changes", viewer, init));
    operator = (await sinew(["token", "create", "--role", "operator", "--state", join(home, "c")])).trim();
    meter = (await sinew(["token", "create", "--role", "metrics", "--state", join(home, "c")])).trim();
    // Who is to be there is said before anybody is.
    writeFileSync(join(home, "nodes"), "n1 rack=7\n");
    await sinew(["expect", "nodes", join(home, "nodes"), "--state", join(home, "c")]);
    expect((await nodes()).map(({ name, state, labels }) => [name, state, labels.rack])).toEqual([
      ["n1", "EXPECTED", "7"],
    ]);
    const invitation = await sinew(["token", "create", "--node", "n1", "--state", join(home, "c")]);
    agent = await startAgent(["--join", invitation.trim()]);
    driver = await startDriver();
  }, 60_000);

  afterAll(async () => {
    await follower.stop();
    await endAll();
    await receiver.stop(true);
    await database.close();
    tree.close();
    rmSync(home, { recursive: true, force: true });
  });

  const startConductor = (listen: string, state = "c") =>
    startSinew([
      ...["--role", "conductor", "--state", join(home, state), "--db", database.url, "--lease", "3"],
      ...["--listen", listen, "--tls", "--auth", "required"],
      ...["--webhook", receiver.url.href, "--webhook-key-file", join(home, "webhook.key"), "--alarm-hold", "0"],
    ]);

  const node = (state: string) => ["--state", join(home, state), "--sysfs", tree.sysfs, "--auth", "required"];
  const roleOfAgent = (state: string) => [
    "--role",
    "agent",
    "--node",
    "n1",
    "--drivers",
    "gpu,ssd,generic",
    ...node(state),
  ];

  /** Once it has joined it needs to be told nothing. */
  async function startAgent(more: string[] = []): Promise<RunningSinew> {
    const started = await startSinew([...roleOfAgent("n"), ...more]);
    // Ready means that it answers; that the conductor knows of it comes right after.
    await until(async () => (await nodes()).some(({ state }) => state === "LIVE"));
    return started;
  }

  async function startDriver(): Promise<RunningSinew> {
    const setup = [{ match: { address: ADDRESS }, kernel_driver: "4xxx" }];
    writeFileSync(join(home, "setup.json"), JSON.stringify({ setup }));
    const own = [...node("n"), "--listen", `unix:${join(home, "crypto.sock")}`, "--config", join(home, "setup.json")];
    const started = await startSinew(["--role", "driver", "--driver", "crypto", ...own, "--agent", agent.url]);
    await until(async () => (await sources()).some(({ name, status }) => name === "crypto" && status === "OK"));
    return started;
  }

  /** Asks a conductor, whose certificate its own CA has signed. */
  const askAt = (url: string, state: string, path: string, token: string, init: RequestInit = {}) =>
    fetch(`${url}${path}`, {
      ...init,
      headers: { ...init.headers, authorization: `Bearer ${token}` },
      tls: { ca: readFileSync(join(home, state, "tls", "ca.crt"), "utf8"), rejectUnauthorized: true },
    });
  const ask = (path: string, token: string, init: RequestInit = {}) => askAt(conductor.url, "c", path, token, init);
  /** Asks the agent, as the operator of its node. */
  const askAgent = (path: string) => {
    const token = readFileSync(join(home, "n", "operator.token"), "utf8").trim();
    return fetch(`${agent.url}${path}`, { headers: { authorization: `Bearer ${token}` } });
  };

  /** What an operator types: discover over the fleet, and wait. */
  async function discover(): Promise<Operation> {
    const response = await ask("/discovery", operator, { method: "POST", headers: { prefer: "wait=20" } });
    expect(response.status).toBe(200);
    return Operation.parse(await response.json());
  }

  const scanned = async () =>
    HardwareList.parse(JSON.parse(await sinew(["scan", "--json", "--sysfs", tree.sysfs, "--state", join(home, "n")])))
      .hardware;
  const agentList = async () => HardwareList.parse(await (await askAgent("/hardware")).json());
  const atAgent = async () => (await agentList()).hardware;
  const sources = async () => (await agentList()).sources;
  const atConductor = async (query = "") =>
    FleetHardwareList.parse(await (await ask(`/hardware${query}`, viewer)).json()).hardware;
  /** What Prometheus would store of this series. */
  const counts = (series: string, value: number) =>
    until(async () => (await (await ask("/metrics", meter)).text()).split("\n").includes(`${series} ${value}`));
  const nodes = async () => NodeList.parse(await (await ask("/nodes", viewer)).json()).nodes;
  const changes = async (since: number) =>
    ChangeList.parse(await (await ask(`/changes?since=${since}`, viewer)).json());
  const fleetSources = async () => FleetHardwareList.parse(await (await ask("/hardware", viewer)).json()).sources;
  const kindsSince = async (since: number) =>
    (await changes(since)).changes.filter(({ kind }) => kind !== "alarm").map(({ kind, uuid }) => [kind, uuid]);

  /** The one device, as `sinew scan`, the agent and the conductor show it: the same everywhere. */
  async function everywhere(): Promise<Hardware> {
    expect((await discover()).status).toBe("SUCCEEDED");
    const seen = [await scanned(), await atAgent(), await atConductor("?freshness=FRESH")];
    for (const list of seen) expect(list.map((device) => device.pci?.address)).toEqual([seen[0]?.[0]?.pci?.address]);
    const [cli, node, fleet] = seen.map(([device]) => device as unknown as Hardware);
    if (!cli || !node || !fleet) throw new Error("no device to compare");
    expect(node.acc_status.ready).toBe(cli.acc_status.ready);
    expect(fleet.acc_status).toEqual(node.acc_status);
    expect(fleet.uuid).toBe(node.uuid);
    return fleet;
  }
  const condition = (device: Hardware, type: string) => device.acc_status.conditions.find((one) => one.type === type);

  test("strangers learn nothing: neither of the fleet, nor of the node, nor of its driver", async () => {
    const unix = { unix: join(home, "crypto.sock") };
    const ca = { tls: { ca: readFileSync(join(home, "c", "tls", "ca.crt"), "utf8"), rejectUnauthorized: true } };
    const tiers: [string, object][] = [
      [conductor.url, ca],
      [agent.url, {}],
      ["http://localhost", unix],
    ];
    for (const [url, how] of tiers) {
      for (const path of ["/hardware", "/no-such-path"]) expect((await fetch(`${url}${path}`, how)).status).toBe(401);
      expect((await fetch(`${url}/discovery`, { method: "POST", ...how })).status).toBe(401);
      expect((await fetch(`${url}/healthz`, how)).status).toBe(200);
    }
    // Who may read may not write, and a token for the fleet is none for the node.
    expect((await ask("/discovery", viewer, { method: "POST" })).status).toBe(403);
    expect((await fetch(`${agent.url}/hardware`, { headers: { authorization: `Bearer ${operator}` } })).status).toBe(
      401,
    );
  });

  test("its node was expected before it came, and is the node that was meant: there is one", async () => {
    expect((await nodes()).map(({ name, state }) => [name, state])).toEqual([["n1", "LIVE"]]);
    expect(await sinew(["expect", "nodes", "--state", join(home, "c")])).toMatch(/^n1 .* yes$/m);
    expect((await changes(0)).changes.map(({ kind }) => kind)).toContain("forgotten");
  });

  test("a host without an accelerator says so, and how much it looked at", async () => {
    expect((await discover()).status).toBe("SUCCEEDED");
    expect(await atConductor()).toEqual([]);
    expect(await sinew(["scan", "--sysfs", tree.sysfs])).toContain("2 PCI functions");
  });

  test("it appears: found by itself, named by where it sits, not ready because no kernel driver is bound", async () => {
    const { revision } = await changes(0);
    tree.add({ address: ADDRESS, parent: "0000:00:01.0", slot: "7", ...QAT });
    // Nobody asks for a discovery: the driver watches its bus, and what it sees goes up from tier to tier.
    await until(async () => (await atConductor()).length === 1, 20_000);
    const device = await everywhere();
    uuid = device.uuid;
    expect(device).toMatchObject({ source: "crypto", acc_specs: { device_type: "CRYPTO" }, node: { name: "n1" } });
    expect(device.pci).toMatchObject({ address: ADDRESS, path: "0000:00/01.0/00.0", slot: "7", kernel_driver: null });
    expect(device.acc_status).toMatchObject({ ready: false, setup_required: true, reboot_required: false });
    expect(condition(device, "DriverBound")).toMatchObject({ status: "false", reason: "NoKernelDriver" });
    expect(condition(device, "DriverBound")?.action).toContain("qat_4xxx");
    expect((await kindsSince(revision)).filter(([kind]) => kind !== "state")).toEqual([["added", uuid]]);
    const table = await sinew(["scan", "--sysfs", tree.sysfs]);
    expect(table).toContain(ADDRESS);
    expect(table).toContain("qat_4xxx");
    // An operator of the fleet reads the same: where, not ready, since when, why, and what to do.
    const listed = await sinew(["get", "hardware", "n1/3b:00.0", "--state", join(home, "c")]);
    expect(listed).toMatch(/ n1 +CRYPTO .*0000:3b:00\.0 +NotReady +\d+\w* +NoKernelDriver: .*qat_4xxx/);
  });

  test("it can be set up: the plan, through agent and conductor, has every write and what is in its way", async () => {
    const body = JSON.stringify({ dry_run: true });
    const init = { method: "POST", body, headers: { "content-type": "application/json" } };
    const answer = await ask(`/hardware/${uuid}/setup`, operator, init);
    expect(answer.status).toBe(200);
    const { plan } = SetupPlanned.parse(await answer.json());
    const at = `${tree.sysfs}/bus/pci`;
    expect(plan.desired).toEqual({ kernel_driver: "4xxx" });
    expect(plan.writes).toEqual([
      { path: `${at}/devices/${ADDRESS}/driver_override`, from: null, to: "4xxx" },
      { path: `${at}/drivers_probe`, from: null, to: ADDRESS },
    ]);
    expect(plan.refusals.map(({ name }) => name)).toEqual(["driver-missing"]);
    const [device] = await atConductor();
    expect(device && condition(device, "Configured")).toMatchObject({ status: "false", reason: "NotApplied" });
  });

  test("it is bound: ready everywhere, one change", async () => {
    const { revision } = await changes(0);
    const waiting = sinew(["wait", `hardware/${uuid}`, "--for", "ready", "--state", join(home, "c")]);
    tree.bind(ADDRESS, "4xxx");
    const device = await everywhere();
    expect(await waiting).toContain("it is Ready");
    expect(device.uuid).toBe(uuid);
    expect(device.acc_status).toMatchObject({ ready: true, setup_required: false });
    expect(await atConductor("?ready=true&device_type=CRYPTO&vendor_id=8086")).toHaveLength(1);
    expect(await kindsSince(revision)).toEqual([["changed", uuid]]);
  });

  test("it is measured: through conductor, agent and driver, by the one that reads it", async () => {
    tree.setAttribute(ADDRESS, "hwmon/hwmon0/temp1_input", "48500\n");
    const { measurements } = Telemetry.parse(await (await ask(`/hardware/${uuid}/telemetry`, viewer)).json());
    expect(measurements).toContainEqual({ name: "temperature_celsius", labels: { sensor: "temp1" }, value: 48.5 });
    expect(measurements).toContainEqual({ name: "link_width_lanes", labels: {}, value: 16 });
  });

  test("its setup is planned: by operators, through conductor, agent and driver, and no further unless its node says so", async () => {
    const path = `/hardware/${uuid}/setup`;
    const send = (token: string, body: object) => ask(path, token, { method: "POST", body: JSON.stringify(body) });
    expect((await send(viewer, { dry_run: true })).status).toBe(403);
    const planned = await send(operator, { dry_run: true });
    expect(planned.status).toBe(200);
    // It is as its driver's configuration wants it, so nothing would be written.
    const { plan } = SetupPlanned.parse(await planned.json());
    expect(plan).toMatchObject({ desired: { kernel_driver: "4xxx" }, writes: [], refusals: [] });
    const refused = await send(operator, {});
    expect(refused.status).toBe(403);
    expect(await refused.json()).toMatchObject({ detail: expect.stringContaining("--remote-setup plan") });
    expect(await (await ask(`/hardware/${uuid}/history`, viewer)).json()).toEqual({ history: [] });
  });

  test("it is recorded: a scrubbed snapshot of the host shows the same device anywhere", async () => {
    const file = join(home, "host.json");
    writeFileSync(file, await sinew(["snapshot", "--scrub", "--sysfs", tree.sysfs, "--state", join(home, "n")]));
    const [device] = HardwareList.parse(JSON.parse(await sinew(["scan", "--json", "--snapshot", file]))).hardware;
    expect(device).toMatchObject({ acc_status: { ready: true }, pci: { address: ADDRESS, kernel_driver: "4xxx" } });
    expect(device?.serials).not.toEqual([{ kind: "dsn", value: QAT.serial }]);
  });

  test("nothing happens: a discovery that finds nothing new changes nothing", async () => {
    const { revision } = await changes(0);
    await everywhere();
    expect((await changes(0)).revision).toBe(revision);
    const first = await ask("/hardware", viewer);
    const again = await ask("/hardware", viewer, { headers: { "if-none-match": first.headers.get("etag") ?? "" } });
    expect(again.status).toBe(304);
  });

  test("it breaks: its config space reads all ones while sysfs still lists it", async () => {
    const { revision } = await changes(0);
    working = tree.config(ADDRESS);
    tree.breakAllOnes(ADDRESS);
    const device = await everywhere();
    expect(device.uuid).toBe(uuid);
    expect(device.acc_status.ready).toBe(false);
    expect(condition(device, "Responding")).toMatchObject({ status: "false", reason: "AllOnes" });
    expect(condition(device, "Responding")?.action).toBeTruthy();
    expect(await kindsSince(revision)).toEqual([["changed", uuid]]);
    // Whoever is to be told of trouble is told of this.
    await hears("firing", "hardware.unhealthy");
    expect(heard.at(-1)?.data).toMatchObject({ uuid, node: { name: "n1" }, severity: "critical", reason: "AllOnes" });
    expect(await sinew(["alarms", "--state", join(home, "c")])).toContain("hardware.unhealthy");
    const described = await sinew(["describe", "hardware", uuid.slice(0, 8), "--state", join(home, "c")]);
    for (const said of ["AllOnes", "What to do:", "Slot:", "hardware.unhealthy"]) expect(described).toContain(said);
    await counts('sinew_devices_failing{device_type="CRYPTO",condition="Responding"}', 1);
  });

  test("it answers again: ready after three good readings, not after one", async () => {
    const { revision } = await changes(0);
    tree.setConfig(ADDRESS, working);
    expect((await discover()).status).toBe("SUCCEEDED");
    const [first] = await atConductor();
    expect(first?.acc_status.ready).toBe(false);
    expect(first && condition(first, "Responding")).toMatchObject({ status: "false", reason: "AllOnes" });
    await discover();
    await discover();
    expect((await everywhere()).acc_status.ready).toBe(true);
    // Its link shows again with the first reading, its readiness changes with the third.
    expect(await kindsSince(revision)).toEqual([
      ["changed", uuid],
      ["changed", uuid],
    ]);
    await hears("resolved", "hardware.unhealthy");
    expect(await sinew(["alarms", "--state", join(home, "c")])).toBe("Nothing fires.\n");
    tree.breakAllOnes(ADDRESS);
    expect((await everywhere()).acc_status.ready).toBe(false);
  });

  test("it vanishes: gone from the node, kept as GONE in the fleet", async () => {
    const { revision } = await changes(0);
    tree.remove(ADDRESS);
    expect((await discover()).status).toBe("SUCCEEDED");
    expect(await scanned()).toEqual([]);
    expect(await atAgent()).toEqual([]);
    expect((await atConductor()).map(({ uuid, freshness }) => [uuid, freshness])).toEqual([[uuid, "GONE"]]);
    expect(await atConductor("?ready=true")).toEqual([]);
    await counts('sinew_devices{device_type="CRYPTO",freshness="GONE",ready="false"}', 1);
    expect((await kindsSince(revision)).filter(([kind]) => kind !== "state")).toEqual([["gone", uuid]]);
  });

  test("it is out of service, itself and with its node, and nobody is told of it: an operator says so", async () => {
    const state = ["--state", join(home, "c")];
    await hears("firing", "hardware.missing");
    expect(await sinew(["cordon", uuid.slice(0, 8), "--comment", "RMA 4711", ...state])).toContain("cordoned");
    await hears("resolved", "hardware.missing");
    expect(heard.at(-1)?.data).toMatchObject({ uuid, reason: "Cordoned" });
    expect((await atConductor("?cordoned=true")).map(({ cordoned }) => cordoned?.comment)).toEqual(["RMA 4711"]);
    expect((await ask("/nodes/n1", operator, { method: "PATCH", body: '{"cordoned":true}' })).status).toBe(403);
    await sinew(["label", "node", "n1", "rack=r7", ...state]);
    await sinew(["rename", "node", "n1", "r7-03", ...state]);
    expect((await atConductor("?label=rack=r7")).map(({ node }) => node.name)).toEqual(["r7-03"]);
    await sinew(["rename", "node", "r7-03", "--undo", ...state]);
    await sinew(["label", "node", "n1", "rack-", ...state]);
    await sinew(["uncordon", uuid, ...state]);
    expect(await atConductor("?cordoned=true")).toEqual([]);
    const history = await sinew(["history", "node", "n1", ...state]);
    expect(history).toMatch(/Cordoned: by .*: RMA 4711$/m);
    expect(history).toMatch(/: name n1 -> r7-03, by /);
  });

  test("it moves: the same card in another slot is the same device", async () => {
    const { revision } = await changes(0);
    tree.add({ address: "0000:5e:00.0", parent: "0000:00:02.0", slot: "9", driver: "4xxx", ...QAT });
    const device = await everywhere();
    expect(device.uuid).toBe(uuid);
    expect(device.pci).toMatchObject({ address: "0000:5e:00.0", path: "0000:00/02.0/00.0", slot: "9" });
    expect(device.acc_status.ready).toBe(true);
    expect((await kindsSince(revision)).filter(([kind]) => kind !== "state")).toEqual([["moved", uuid]]);
    const history = await sinew(["history", "hardware", uuid, "--state", join(home, "c")]);
    expect(history).toContain("address 0000:3b:00.0 -> 0000:5e:00.0");
  });

  test("it returns: taken out and put back, it is what it was", async () => {
    tree.remove("0000:5e:00.0");
    await discover();
    const { revision } = await changes(0);
    tree.add({ address: "0000:5e:00.0", parent: "0000:00:02.0", slot: "9", driver: "4xxx", ...QAT });
    const device = await everywhere();
    expect(device.uuid).toBe(uuid);
    expect(device.acc_status.ready).toBe(true);
    expect((await kindsSince(revision)).filter(([kind]) => kind !== "state")).toEqual([["added", uuid]]);
  });

  test("it is expected: gone without any error, its node misses it by name, slot and when it was last seen", async () => {
    const expectHere = (command: string) => sinew(["expect", command, "--state", join(home, "n")]);
    const said = async () => (await nodes())[0]?.conditions?.find(({ type }) => type === "HardwarePresent");
    expect(await expectHere("learn")).toContain("1 of 1  CRYPTO 8086:4940");
    await until(async () => (await said())?.status === "true");
    const { revision } = await changes(0);
    tree.remove("0000:5e:00.0");
    expect((await discover()).status).toBe("SUCCEEDED");
    await until(async () => (await said())?.status === "false");
    expect((await said())?.message).toMatch(
      new RegExp(`^0 of 1 CRYPTO 8086:4940 present; missing ${uuid}, last seen [\\d-]{10}T[\\d:]{8}Z, slot 9$`),
    );
    const news = await kindsSince(revision);
    for (const change of [
      ["gone", uuid],
      ["state", null],
    ])
      expect(news).toContainEqual(change);
    tree.add({ address: "0000:5e:00.0", parent: "0000:00:02.0", slot: "9", driver: "4xxx", ...QAT });
    expect((await everywhere()).uuid).toBe(uuid);
    await until(async () => (await said())?.status === "true");
    await expectHere("clear");
    await until(async () => (await said()) === undefined);
  });

  test("its driver dies and returns: last-good shown as old, and why", async () => {
    const { revision } = await changes(0);
    await driver.stop("SIGKILL");
    expect((await discover()).status).toBe("PARTIAL");
    expect((await sources()).find(({ name }) => name === "crypto")).toMatchObject({
      status: "STALE",
      error: { code: "unreachable" },
    });
    expect((await atConductor()).map(({ uuid, freshness }) => [uuid, freshness])).toEqual([[uuid, "STALE"]]);
    expect(await fleetSources()).toMatchObject([{ name: "crypto", status: "STALE", node: { name: "n1" } }]);
    const [said] = (await changes(revision)).changes.filter(({ kind }) => kind === "state");
    expect(said).toMatchObject({ source: "crypto", state: "LIVE", sources: [{ name: "crypto", status: "STALE" }] });
    expect((await kindsSince(revision)).filter(([kind]) => kind !== "state")).toEqual([["changed", uuid]]);
    driver = await startDriver();
    expect((await everywhere()).freshness).toBe("FRESH");
    expect(await fleetSources()).toEqual([]);
  });

  test("its host is copied, key and all: CONFLICT, both are named, and neither is believed", async () => {
    const before = (await nodes())[0]?.boot_id;
    cpSync(join(home, "n"), join(home, "copy"), { recursive: true });
    const copy = await startSinew(roleOfAgent("copy"));
    await until(async () => (await nodes())[0]?.state === "CONFLICT", 30_000);
    const [told] = (await nodes())[0]?.conditions ?? [];
    expect(told).toMatchObject({ type: "IdentityUnique", status: "false", reason: "TwoBoots" });
    expect(told?.message).toContain(`boot ${before}`);
    expect((await atConductor()).map(({ uuid, freshness }) => [uuid, freshness])).toEqual([[uuid, "STALE"]]);
    await copy.stop("SIGKILL");
    await until(async () => (await nodes())[0]?.state === "LIVE", 60_000);
    expect((await nodes())[0]?.conditions).toEqual([]);
    expect((await everywhere()).freshness).toBe("FRESH");
  }, 120_000);

  test("its key is taken back: its link is closed, and it joins again with a new token", async () => {
    expect(await sinew(["node", "rekey", "n1", "--state", join(home, "c")])).toContain("forgotten");
    await until(async () => (await discover()).status !== "SUCCEEDED");
    expect(await agent.stop("SIGTERM")).toBe(0);
    const invitation = await sinew(["token", "create", "--node", "n1", "--state", join(home, "c")]);
    agent = await startAgent(["--join", invitation.trim(), "--listen", new URL(agent.url).host]);
    await until(async () => (await sources()).every(({ status }) => status === "OK"));
    expect((await everywhere()).uuid).toBe(uuid);
  }, 30_000);

  test.if(name === "postgres")(
    "a second conductor answers for it, and has its node when the first is killed",
    async () => {
      const second = await startConductor("127.0.0.1:0", "c2");
      const askSecond = (path: string, token: string, init: RequestInit = {}) =>
        askAt(second.url, "c2", path, token, init);
      const list = FleetHardwareList.parse(await (await askSecond("/hardware", viewer)).json());
      expect(list.hardware).toEqual(await atConductor());
      // Its agent's link is the first one's: this goes there.
      const measured = async () => (await askSecond(`/hardware/${uuid}/telemetry`, viewer)).status;
      expect(await measured()).toBe(200);
      const body = JSON.stringify({ dry_run: true });
      const planned = await askSecond(`/hardware/${uuid}/setup`, operator, { method: "POST", body });
      expect(SetupPlanned.parse(await planned.json()).plan.refusals).toMatchObject([{ name: "no-rule" }]);
      await conductor.stop("SIGKILL");
      const owned = async () => ConductorList.parse(await (await askSecond("/conductors", viewer)).json()).conductors;
      await until(async () => (await owned()).length === 1, 30_000);
      expect(await owned()).toMatchObject([{ state: "ALIVE", nodes: 1, endpoint: second.url }]);
      // Its agent comes back to the first one, which has it from then on.
      conductor = await startConductor(new URL(conductor.url).host);
      // It was away for so many dials that the next one may be 16 s away.
      await until(async () => (await measured()) === 200, 60_000);
      expect((await owned()).map(({ nodes }) => nodes).toSorted()).toEqual([0, 1]);
      expect((await nodes())[0]?.state).toBe("LIVE");
      expect(await second.stop("SIGTERM")).toBe(0);
      expect((await everywhere()).uuid).toBe(uuid);
    },
    120_000,
  );

  test("its node leaves: LEFT, its last-good devices shown as old", async () => {
    expect(await driver.stop("SIGTERM")).toBe(0);
    expect(await agent.stop("SIGTERM")).toBe(0);
    expect((await nodes()).map(({ name, state }) => [name, state])).toEqual([["n1", "LEFT"]]);
    await counts('sinew_nodes{state="LEFT"}', 1);
    expect((await atConductor()).map(({ uuid, freshness }) => [uuid, freshness])).toEqual([[uuid, "STALE"]]);
  });

  test("its node returns after a kill of every tier: nothing is lost, nothing is new", async () => {
    agent = await startAgent();
    driver = await startDriver();
    expect((await everywhere()).uuid).toBe(uuid);
    await Promise.all([driver.stop("SIGKILL"), agent.stop("SIGKILL"), conductor.stop("SIGKILL")]);
    conductor = await startConductor(new URL(conductor.url).host);
    expect((await atConductor()).map((device) => device.uuid)).toEqual([uuid]);
    agent = await startAgent();
    expect((await atAgent()).map((device) => device.uuid)).toEqual([uuid]);
    driver = await startDriver();
    const device = await everywhere();
    expect(device.uuid).toBe(uuid);
    expect(device.freshness).toBe("FRESH");
  }, 30_000);

  const all = async () => FleetHardwareList.parse(await (await ask("/hardware?limit=1000", viewer)).json());

  test("who followed the feed from the beginning holds what the lists say", async () => {
    let listed = await all();
    await until(async () => {
      listed = await all();
      return follower.revisions.at(-1) === listed.revision;
    });
    const keyed = listed.hardware.map((device) => [`${device.node.id} ${device.source} ${device.uuid}`, device]);
    expect(Object.fromEntries(follower.devices)).toEqual(Object.fromEntries(keyed));
    const log = ChangeList.parse(await (await ask("/changes?limit=1000", viewer)).json()).changes;
    expect(follower.revisions).toEqual(log.map(({ revision }) => revision).slice(0, follower.revisions.length));
    for (const { id, state } of await nodes()) await until(() => follower.states.get(id) === state);
  });
});
