import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { closeSync, constants, openSync, rmSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { createScanner, type Scanner } from "../../src/pci/scanner/scanner.ts";
import type { ScanResult, WantedIds } from "../../src/pci/sysfs/scan.ts";
import { type Device, makeTree, type Tree } from "../support/tree.ts";

const PORT: Device = { address: "0000:00:01.0", vendor: "8086", device: "352a", class: "060400", secondary: 1 };
const GPU: Device = { address: "0000:00:02.0", vendor: "10de", device: "2331", class: "030200", driver: "nvidia" };
const NIC: Device = { address: "0000:00:03.0", vendor: "8086", device: "159b", class: "020000", driver: "ice" };

describe("rescan()", () => {
  let tree: Tree;
  let scanner: Scanner;
  beforeEach(() => {
    tree = makeTree();
    for (const device of [PORT, GPU, NIC]) tree.add(device);
    scanner = createScanner({ sysfs: tree.sysfs, deadlineMs: 600 });
  });
  afterEach(() => {
    scanner.close();
    tree.close();
  });
  const rescan = (...addresses: string[]) => scanner.rescan(new Set(addresses));
  const driverOf = (scan: ScanResult, { address }: Device) =>
    scan.functions.find((fn) => fn.address === address)?.kernel_driver;

  test("rescan() reads what it is told to, and leaves the rest as it was: the same objects", async () => {
    const before = await scanner.scan();
    tree.bind(GPU.address, "vfio-pci");
    tree.bind(NIC.address, "vfio-pci");
    const after = await rescan(GPU.address);
    expect([driverOf(after, GPU), driverOf(after, NIC)]).toEqual(["vfio-pci", "ice"]);
    expect(after.functions[2]).toBe(before.functions[2] as never);
    expect(after.looked_at).toBe(3);
  });

  test("rescan() sees what came and what went without being told", async () => {
    await scanner.scan();
    tree.remove(NIC.address);
    tree.add({ ...GPU, address: "0000:01:00.0", parent: PORT.address });
    const { functions, looked_at } = await rescan();
    expect(functions.map(({ address }) => address)).toEqual([PORT.address, "0000:00:02.0", "0000:01:00.0"]);
    expect(looked_at).toBe(3);
  });

  test("rescan() before any scan is a scan", async () => {
    expect((await rescan()).functions).toHaveLength(3);
  });

  test("rescan() keeps what was hung for as long as it is, and reads it when it has returned", async () => {
    await scanner.scan();
    const config = tree.config(GPU.address);
    const fifo = join(tree.directory(GPU.address), "config");
    rmSync(fifo);
    if (Bun.spawnSync(["mkfifo", fifo]).exitCode !== 0) throw new Error("no mkfifo");
    const gpu = async (...told: string[]) => (await rescan(...told)).functions[1];
    expect(await gpu(GPU.address)).toMatchObject({ response: "silent", problems: [{ reason: "Hung" }] });
    expect(await gpu()).toMatchObject({ response: "silent", problems: [{ reason: "Hung" }] });
    const fd = openSync(fifo, constants.O_RDWR | constants.O_NONBLOCK);
    rmSync(fifo);
    tree.setConfig(GPU.address, config);
    setTimeout(() => closeSync(fd), 20);
    while ((await gpu())?.response !== "responding") await Bun.sleep(10);
  });

  test("concerns() is false only for what was seen and is not wanted", async () => {
    scanner.close();
    scanner = createScanner({ sysfs: tree.sysfs, wanted: ({ class: code }) => code === "030200" });
    expect(scanner.concerns(NIC.address)).toBe(true);
    await scanner.scan();
    expect([GPU, NIC, PORT].map(({ address }) => scanner.concerns(address))).toEqual([true, false, false]);
    expect(scanner.concerns("0000:00:1f.0")).toBe(true);
    tree.remove(GPU.address);
    await rescan();
    expect(scanner.concerns(GPU.address)).toBe(true);
  });

  test("changed() names what looks different from outside, and null while it knows of no before", async () => {
    expect(await scanner.changed()).toBeNull();
    expect(await scanner.changed()).toEqual([]);
    tree.bind(GPU.address, "vfio-pci");
    tree.remove(NIC.address);
    tree.add({ ...GPU, address: "0000:01:00.0", parent: PORT.address });
    expect((await scanner.changed())?.sort()).toEqual([GPU.address, NIC.address, "0000:01:00.0"]);
    tree.unbind(GPU.address);
    tree.setAttribute(PORT.address, "sriov_numvfs", "4\n");
    expect((await scanner.changed())?.sort()).toEqual([PORT.address, GPU.address]);
    // Of what no file tells cheaply a look at the device itself has to tell.
    tree.breakAllOnes(GPU.address);
    expect(await scanner.changed()).toEqual([]);
  });

  test("changed() hangs on no function: it is stuck from then on, and everything may have changed", async () => {
    await scanner.scan();
    await scanner.changed();
    const fifo = join(tree.directory(GPU.address), "uevent");
    rmSync(fifo);
    if (Bun.spawnSync(["mkfifo", fifo]).exitCode !== 0) throw new Error("no mkfifo");
    expect(await scanner.changed()).toBeNull();
    expect((await scanner.scan()).functions[1]).toMatchObject({ problems: [{ reason: "Hung" }] });
    closeSync(openSync(fifo, constants.O_RDWR | constants.O_NONBLOCK));
  });
});

/** A host with room for two cards in slots: one of two functions, and a PF whose VFs take the other places. */
const PF = "0000:01:00.0";
const VFS = ["0000:01:00.1", "0000:01:00.2"];
const PLACES = ["0000:00:02.0", "0000:00:02.1", PF, ...VFS];
const IDS = [
  { vendor: "10de", device: "2331", class: "030200" },
  { vendor: "8086", device: "4940", class: "0b4000" },
  { vendor: "8086", device: "159b", class: "020000" },
];
const wanted = ({ class: code, pf_ids: pf }: WantedIds) => code !== "020000" || pf?.class === "0b4000";

const change = fc.record({
  place: fc.constantFrom(...PLACES),
  // Cards and their VFs more often than the rest: most else can be done to what is there only.
  what: fc.constantFrom("add", "add", "vf", "vf", "vf", "remove", "bind", "unbind", "break", "sleep", "wake", "label"),
  ids: fc.constantFrom(...IDS),
});
type Change = typeof change extends fc.Arbitrary<infer T> ? T : never;

/** Makes the change where it makes sense; what the kernel would tell of. */
function make(tree: Tree, there: Map<string, Change["what"]>, { place, what, ids }: Change): string[] {
  const parent = place.startsWith("0000:01") ? { parent: PORT.address } : {};
  switch (what) {
    case "add":
      if (there.has(place)) return [];
      tree.add({
        address: place,
        slot: place.slice(5, 10).replace(":", ""),
        sriov: { total: 4, enabled: 0 },
        ...parent,
        ...ids,
      });
      there.set(place, what);
      return [place];
    case "vf":
      if (there.has(place) || !VFS.includes(place) || there.get(PF) !== "add") return [];
      tree.add({ address: place, physfn: { pf: PF, index: VFS.indexOf(place) }, ...parent, ...ids });
      tree.setAttribute(PF, "sriov_numvfs", `${1 + VFS.indexOf(place)}\n`);
      there.set(place, what);
      return [place];
    case "remove": {
      // A PF's VFs go before it.
      const left = [...there].filter(([at, how]) => at === place || (place === PF && how === "vf"));
      for (const [at, how] of left.reverse()) {
        tree.remove(at);
        there.delete(at);
        if (how === "vf") tree.setAttribute(PF, "sriov_numvfs", "0\n");
      }
      return left.map(([at]) => at);
    }
    case "bind":
      if (there.has(place)) tree.bind(place, ids.device);
      break;
    case "unbind":
      if (there.has(place)) tree.unbind(place);
      break;
    case "break":
      if (there.has(place)) tree.breakAllOnes(place);
      break;
    case "label":
      if (there.has(place)) tree.setAttribute(place, "label", `${ids.device}\n`);
      break;
    default:
      if (there.has(place))
        tree.setAttribute(place, "power/runtime_status", what === "sleep" ? "suspended\n" : "active\n");
  }
  return there.has(place) ? [place] : [];
}

test("rescan() of what changed gives what a scan of everything does, whatever has changed", async () => {
  const property = fc.asyncProperty(
    fc.array(fc.array(change, { minLength: 1, maxLength: 6 }), { minLength: 2, maxLength: 8 }),
    async (rounds) => {
      const tree = makeTree();
      tree.add(PORT);
      const there = new Map<string, Change["what"]>();
      const [partly, wholly] = [
        createScanner({ sysfs: tree.sysfs, wanted }),
        createScanner({ sysfs: tree.sysfs, wanted }),
      ];
      try {
        await Promise.all([partly.scan(), wholly.scan()]);
        for (const round of rounds) {
          const changed = new Set(round.flatMap((one) => make(tree, there, one)));
          const [part, whole] = [await partly.rescan(changed), await wholly.scan()];
          expect(part).toEqual(whole);
        }
      } finally {
        partly.close();
        wholly.close();
        tree.close();
      }
    },
  );
  await fc.assert(property, { numRuns: 20 });
}, 60_000);
