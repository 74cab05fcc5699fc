import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import type { DriverTier } from "../../src/create/driver.ts";
import { builtIn } from "../../src/live/built-in.ts";
import { type Bus, type BusOptions, openBus } from "../../src/live/bus.ts";
import { hearing } from "../../src/live/watch.ts";
import { realWorld, type World } from "../../src/world.ts";
import { until } from "../support/process.ts";
import { type Device, makeTree, type Tree } from "../support/tree.ts";

const NODE = { id: "0b3c8f8e-58a8-4c2f-8f5c-0a3c9d1f2e4b", name: "n1" };
const GPU: Device = { address: "0000:00:02.0", vendor: "10de", device: "2331", class: "030200", driver: "nvidia" };
const SSD: Device = { address: "0000:00:03.0", vendor: "144d", device: "a80a", class: "010802", driver: "nvme" };

let tree: Tree;
let bus: Bus;
let logged: string[];
let world: World;
beforeEach(() => {
  tree = makeTree();
  tree.add(GPU);
  logged = [];
  world = realWorld((level, message) => logged.push(`${level} ${message}`));
});
afterEach(() => {
  bus?.close();
  tree.close();
});

function open(options: Partial<BusOptions> = {}): Bus {
  const given = {
    sysfs: tree.sysfs,
    pciIds: "",
    node: NODE,
    kinds: ["gpu", "ssd"],
    healthInterval: 3600,
    health: null,
    ...options,
  };
  bus = openBus(given, world);
  return bus;
}
const drivers = () =>
  Promise.all(["gpu", "ssd"].map((kind) => builtIn(kind, bus, { world, auth: "open", setup: null }))) as Promise<
    [DriverTier, DriverTier]
  >;
async function shown(driver: DriverTier): Promise<[address: string | undefined, ready: boolean][]> {
  const { hardware } = (await (await driver.fetch(new Request("http://localhost/hardware"))).json()) as {
    hardware: { pci: { address: string } | null; acc_status: { ready: boolean } }[];
  };
  return hardware.map(({ pci, acc_status }) => [pci?.address, acc_status.ready]);
}

describe("A bus that is compared", () => {
  test("shows what comes, changes and goes without a discovery, and tells who asked to be told", async () => {
    open();
    const [gpu, ssd] = await drivers();
    let told = 0;
    ssd.onChange(() => told++);
    await bus.start();
    await Promise.all([gpu.start(), ssd.start()]);
    expect(logged).toContain("info the bus is watched by comparing");
    tree.add(SSD);
    await until(async () => (await shown(ssd)).length === 1, 15_000);
    expect(told).toBe(2); // the first discovery, which found that there is none, and this
    tree.unbind(GPU.address);
    await until(async () => (await shown(gpu))[0]?.[1] === false, 15_000);
    tree.remove(GPU.address);
    await until(async () => (await shown(gpu)).length === 0, 15_000);
    expect(await shown(ssd)).toEqual([[SSD.address, true]]);
    expect(told).toBe(2);
  }, 60_000);

  test("says once that it cannot be read, shows what was there, and finds its way back", async () => {
    open({ sysfs: `${tree.sysfs}/later`, healthInterval: 0.05 });
    const [gpu] = await drivers();
    await bus.start();
    await gpu.start();
    const failures = () => logged.filter((line) => line === "error discovery failed");
    expect(failures()).toHaveLength(1);
    Bun.spawnSync(["ln", "-s", ".", `${tree.sysfs}/later`]);
    await until(async () => (await shown(gpu)).length === 1);
    expect(logged).toContain("info the bus can be read again");
    Bun.spawnSync(["rm", `${tree.sysfs}/later`]);
    const stale = async () => {
      const { hardware, sources } = (await (await gpu.fetch(new Request("http://localhost/hardware"))).json()) as {
        hardware: { freshness: string }[];
        sources: { status: string }[];
      };
      return hardware[0]?.freshness === "STALE" && sources[0]?.status === "STALE";
    };
    // What is shown follows what is logged.
    await until(stale);
    expect(failures()).toHaveLength(2);
  }, 60_000);
});

test("A bus is looked at every so often for what no file tells of", async () => {
  open({ healthInterval: 0.05 });
  const [gpu] = await drivers();
  await bus.start();
  await gpu.start();
  expect(await shown(gpu)).toEqual([[GPU.address, true]]);
  tree.breakAllOnes(GPU.address);
  await until(async () => (await shown(gpu))[0]?.[1] === false);
}, 60_000);

test("lookAt() shows what was changed where there are no events yet, and only there", async () => {
  open();
  const [gpu, ssd] = await drivers();
  tree.add(SSD);
  await Promise.all([gpu.start(), ssd.start()]);
  tree.unbind(GPU.address);
  tree.unbind(SSD.address);
  await bus.lookAt(new Set([GPU.address]));
  await until(async () => (await shown(gpu))[0]?.[1] === false);
  expect(await shown(ssd)).toEqual([[SSD.address, true]]);
}, 60_000);

test("A recording is not watched", async () => {
  open({ healthInterval: null });
  const [gpu] = await drivers();
  await bus.start();
  await gpu.start();
  expect(await shown(gpu)).toHaveLength(1);
  expect(logged.filter((line) => line.includes("watched"))).toEqual([]);
});

describe("hearing()", () => {
  function heard() {
    const touched: unknown[] = [];
    const failures: string[] = [];
    const scanner = { changed: async () => null, concerns: (address: string) => address !== "0000:00:14.0" };
    const touch = (what: ReadonlySet<string> | "all") => touched.push(what === "all" ? what : [...what]);
    const listener = hearing({ sysfs: "/sys", scanner, world, touch }, (why) => failures.push(why));
    return { listener, touched, failures };
  }

  test("touches what came and went, and of what changed that which is wanted", () => {
    const { listener, touched } = heard();
    listener.heard({ presence: ["0000:00:14.0"], other: ["0000:00:02.0"], lost: false });
    listener.heard({ presence: [], other: ["0000:00:14.0"], lost: false });
    expect(touched).toEqual([["0000:00:14.0", "0000:00:02.0"]]);
  });

  test("touches everything when events were lost, and when there will be no more", () => {
    const { listener, touched, failures } = heard();
    listener.heard({ presence: ["0000:00:02.0"], other: [], lost: true });
    listener.failed("the thread ended");
    expect(touched).toEqual(["all", "all"]);
    expect(failures).toEqual(["the thread ended"]);
  });
});
