import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ChangeList } from "../src/contract/change.ts";
import { FleetHardwareList, type Hardware, HardwareList } from "../src/contract/hardware.ts";
import { NodeList } from "../src/contract/node.ts";
import { Operation } from "../src/contract/operation.ts";
import { databases } from "./support/databases.ts";
import { endAll, type RunningSinew, sinew, startSinew, until } from "./support/process.ts";
import { makeTree } from "./support/tree.ts";

/**
 * The story of one device, as operators see it: a host with two root ports and a crypto card, an agent process, a driver
 * process of its own behind a unix socket, a conductor process on each database, real HTTP between them. Each test is
 * the next thing that happens.
 */
const ADDRESS = "0000:3b:00.0";
const QAT = { vendor: "8086", device: "4940", class: "0b4000", revision: "40", serial: "00-a0-c9-ff-fe-12-34-56" };

describe.each(databases)("one device, on $name", ({ open }) => {
  const home = mkdtempSync(join(tmpdir(), "sinew-flow-"));
  const tree = makeTree();
  let database: Awaited<ReturnType<typeof open>>;
  let conductor: RunningSinew;
  let agent: RunningSinew;
  let driver: RunningSinew;
  let uuid = "";

  beforeAll(async () => {
    const port = { vendor: "8086", device: "352a", class: "060400", driver: "pcieport" };
    tree.add({ address: "0000:00:01.0", secondary: 0x3b, ...port });
    tree.add({ address: "0000:00:02.0", secondary: 0x5e, ...port });
    database = await open();
    conductor = await startConductor("127.0.0.1:0");
    agent = await startAgent("127.0.0.1:0");
    driver = await startDriver();
  }, 60_000);

  afterAll(async () => {
    await endAll();
    await database.close();
    tree.close();
    rmSync(home, { recursive: true, force: true });
  });

  const startConductor = (listen: string) =>
    startSinew([
      "--role",
      "conductor",
      "--state",
      join(home, "c"),
      "--db",
      database.url,
      "--lease",
      "10",
      "--listen",
      listen,
    ]);

  async function startAgent(listen: string): Promise<RunningSinew> {
    const own = ["--state", join(home, "n"), "--sysfs", tree.sysfs, "--node", "n1", "--drivers", "gpu,ssd,generic"];
    const started = await startSinew(["--role", "agent", ...own, "--conductor", conductor.url, "--listen", listen]);
    // Ready means that it answers; that the conductor knows of it comes right after.
    await until(async () => (await nodes()).some(({ state }) => state === "LIVE"));
    return started;
  }

  async function startDriver(): Promise<RunningSinew> {
    const own = ["--state", join(home, "n"), "--sysfs", tree.sysfs, "--listen", `unix:${join(home, "crypto.sock")}`];
    const started = await startSinew(["--role", "driver", "--driver", "crypto", ...own, "--agent", agent.url]);
    await until(async () => (await sources()).some(({ name, status }) => name === "crypto" && status === "OK"));
    return started;
  }

  /** What an operator types: discover over the fleet, and wait. */
  async function discover(): Promise<Operation> {
    const response = await fetch(`${conductor.url}/discovery`, { method: "POST", headers: { prefer: "wait=20" } });
    expect(response.status).toBe(200);
    return Operation.parse(await response.json());
  }

  const scanned = async () =>
    HardwareList.parse(JSON.parse(await sinew(["scan", "--json", "--sysfs", tree.sysfs, "--state", join(home, "n")])))
      .hardware;
  const agentList = async () => HardwareList.parse(await (await fetch(`${agent.url}/hardware`)).json());
  const atAgent = async () => (await agentList()).hardware;
  const sources = async () => (await agentList()).sources;
  const atConductor = async (query = "") =>
    FleetHardwareList.parse(await (await fetch(`${conductor.url}/hardware${query}`)).json()).hardware;
  const nodes = async () => NodeList.parse(await (await fetch(`${conductor.url}/nodes`)).json()).nodes;
  const changes = async (since: number) =>
    ChangeList.parse(await (await fetch(`${conductor.url}/changes?since=${since}`)).json());
  const fleetSources = async () =>
    FleetHardwareList.parse(await (await fetch(`${conductor.url}/hardware`)).json()).sources;
  const kindsSince = async (since: number) => (await changes(since)).changes.map(({ kind, uuid }) => [kind, uuid]);

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

  test("a host without an accelerator says so, and how much it looked at", async () => {
    expect((await discover()).status).toBe("SUCCEEDED");
    expect(await atConductor()).toEqual([]);
    expect(await sinew(["scan", "--sysfs", tree.sysfs])).toContain("2 PCI functions");
  });

  test("it appears: found, named by where it sits, not ready because no kernel driver is bound", async () => {
    const { revision } = await changes(0);
    tree.add({ address: ADDRESS, parent: "0000:00:01.0", slot: "7", ...QAT });
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
  });

  test("it is bound: ready everywhere, one change", async () => {
    const { revision } = await changes(0);
    tree.bind(ADDRESS, "4xxx");
    const device = await everywhere();
    expect(device.uuid).toBe(uuid);
    expect(device.acc_status).toMatchObject({ ready: true, setup_required: false });
    expect(await atConductor("?ready=true&device_type=CRYPTO&vendor_id=8086")).toHaveLength(1);
    expect(await kindsSince(revision)).toEqual([["changed", uuid]]);
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
    const first = await fetch(`${conductor.url}/hardware`);
    const again = await fetch(`${conductor.url}/hardware`, {
      headers: { "if-none-match": first.headers.get("etag") ?? "" },
    });
    expect(again.status).toBe(304);
  });

  test("it breaks: its config space reads all ones while sysfs still lists it", async () => {
    const { revision } = await changes(0);
    tree.breakAllOnes(ADDRESS);
    const device = await everywhere();
    expect(device.uuid).toBe(uuid);
    expect(device.acc_status.ready).toBe(false);
    expect(condition(device, "Responding")).toMatchObject({ status: "false", reason: "AllOnes" });
    expect(condition(device, "Responding")?.action).toBeTruthy();
    expect(await kindsSince(revision)).toEqual([["changed", uuid]]);
  });

  test("it vanishes: gone from the node, kept as GONE in the fleet", async () => {
    const { revision } = await changes(0);
    tree.remove(ADDRESS);
    expect((await discover()).status).toBe("SUCCEEDED");
    expect(await scanned()).toEqual([]);
    expect(await atAgent()).toEqual([]);
    expect((await atConductor()).map(({ uuid, freshness }) => [uuid, freshness])).toEqual([[uuid, "GONE"]]);
    expect((await kindsSince(revision)).filter(([kind]) => kind !== "state")).toEqual([["gone", uuid]]);
  });

  test("it moves: the same card in another slot is the same device", async () => {
    const { revision } = await changes(0);
    tree.add({ address: "0000:5e:00.0", parent: "0000:00:02.0", slot: "9", driver: "4xxx", ...QAT });
    const device = await everywhere();
    expect(device.uuid).toBe(uuid);
    expect(device.pci).toMatchObject({ address: "0000:5e:00.0", path: "0000:00/02.0/00.0", slot: "9" });
    expect(device.acc_status.ready).toBe(true);
    expect((await kindsSince(revision)).filter(([kind]) => kind !== "state")).toEqual([["moved", uuid]]);
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

  test("its node leaves: LEFT, its last-good devices shown as old", async () => {
    expect(await driver.stop("SIGTERM")).toBe(0);
    expect(await agent.stop("SIGTERM")).toBe(0);
    expect((await nodes()).map(({ name, state }) => [name, state])).toEqual([["n1", "LEFT"]]);
    expect((await atConductor()).map(({ uuid, freshness }) => [uuid, freshness])).toEqual([[uuid, "STALE"]]);
  });

  test("its node returns after a kill of every tier: nothing is lost, nothing is new", async () => {
    agent = await startAgent("127.0.0.1:0");
    driver = await startDriver();
    expect((await everywhere()).uuid).toBe(uuid);
    await Promise.all([driver.stop("SIGKILL"), agent.stop("SIGKILL"), conductor.stop("SIGKILL")]);
    conductor = await startConductor(new URL(conductor.url).host);
    expect((await atConductor()).map((device) => device.uuid)).toEqual([uuid]);
    agent = await startAgent("127.0.0.1:0");
    expect((await atAgent()).map((device) => device.uuid)).toEqual([uuid]);
    driver = await startDriver();
    const device = await everywhere();
    expect(device.uuid).toBe(uuid);
    expect(device.freshness).toBe("FRESH");
  }, 30_000);
});
