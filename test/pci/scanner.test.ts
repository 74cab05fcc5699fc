import { afterEach, beforeEach, expect, test } from "bun:test";
import { closeSync, constants, existsSync, openSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { PciFunction } from "../../src/pci/function.ts";
import { createScanner, type Scanner } from "../../src/pci/scanner/scanner.ts";
import { type Device, makeTree, type Tree } from "../support/tree.ts";

const GPU: Device = { address: "0000:00:02.0", vendor: "10de", device: "2331", class: "030200" };
const NIC: Device = { address: "0000:00:03.0", vendor: "8086", device: "159b", class: "020000" };

let tree: Tree;
let scanner: Scanner;
beforeEach(() => {
  tree = makeTree();
  tree.add(GPU);
  tree.add(NIC);
});
afterEach(() => {
  scanner?.close();
  tree.close();
});

/** A read that hangs as a dying card's does: the open of a FIFO blocks until something writes to it. */
function hang(address: string, name = "config"): { release(): void } {
  const fifo = join(tree.directory(address), name);
  rmSync(fifo, { force: true });
  if (Bun.spawnSync(["mkfifo", fifo]).exitCode !== 0) throw new Error("no mkfifo");
  return {
    release() {
      const fd = openSync(fifo, constants.O_RDWR | constants.O_NONBLOCK);
      rmSync(fifo);
      setTimeout(() => closeSync(fd), 50);
    },
  };
}

async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  const end = performance.now() + 5000;
  while (!(await condition())) {
    if (performance.now() > end) throw new Error("it did not come about in 5 s");
    await Bun.sleep(20);
  }
}

test("createScanner() scans as scanPci() does", async () => {
  scanner = createScanner({ sysfs: tree.sysfs });
  const { functions, looked_at, problems } = await scanner.scan();
  expect(functions.map((fn) => fn.address)).toEqual([GPU.address, NIC.address]);
  expect([looked_at, problems]).toEqual([2, []]);
});

test("a function whose lock a driver holds is read without what takes the lock, and does not count as hung", async () => {
  const pf = { address: "0000:00:04.0", vendor: "8086", device: "1592", class: "020000", driver: "ice" };
  tree.add({ ...pf, sriov: { total: 4, enabled: 0 } });
  scanner = createScanner({ sysfs: tree.sysfs, deadlineMs: 200 });
  const [override, vfs] = [hang(GPU.address, "driver_override"), hang(pf.address, "sriov_numvfs")];
  const look = async () => (await scanner.scan()).functions.map((fn) => [fn.response, fn.problems, fn.sriov?.total]);
  const all = await look();
  expect(all.map(([, problems]) => problems)).toEqual([[], [], []]);
  expect(all.map(([response]) => response)).toEqual(["responding", "responding", "responding"]);
  expect(all[2]?.[2]).toBe(4);
  expect(await scanner.changed()).toBeNull();
  expect(await scanner.changed()).toEqual([]);
  override.release();
  vfs.release();
  tree.setAttribute(GPU.address, "driver_override", "vfio-pci\n");
  await until(async () => (await scanner.scan()).functions[0]?.driver_override === "vfio-pci");
});

test("scan() joins the scan in flight", async () => {
  scanner = createScanner({ sysfs: tree.sysfs });
  const first = scanner.scan();
  expect(scanner.scan()).toBe(first);
  await first;
  const second = scanner.scan();
  expect(second).not.toBe(first);
  await second;
});

test("scan() asks once for each ids which functions are wanted", async () => {
  const asked: string[] = [];
  const wanted = (ids: { class: string }) => asked.push(ids.class) > 0 && ids.class === "030200";
  scanner = createScanner({ sysfs: tree.sysfs, wanted });
  for (let round = 0; round < 3; round++) {
    expect(await scanner.scan()).toMatchObject({ looked_at: 2, functions: [{ address: GPU.address }] });
  }
  expect(asked).toEqual(["030200", "020000"]);
});

test("scan() reports a function that hangs with what was last known, and the others as they are", async () => {
  scanner = createScanner({ sysfs: tree.sysfs, deadlineMs: 100 });
  await scanner.scan();
  const stuck = hang(GPU.address);
  tree.bind(NIC.address, "ice");
  const { functions, looked_at } = await scanner.scan();
  expect(functions).toMatchObject([
    { address: GPU.address, vendor_id: "10de", response: "silent", problems: [{ reason: "Hung" }] },
    { address: NIC.address, kernel_driver: "ice", response: "responding", problems: [] },
  ]);
  expect(looked_at).toBe(2);

  // While it is stuck, scans do not wait for it.
  const start = performance.now();
  expect((await scanner.scan()).functions[0]).toMatchObject({ response: "silent" });
  expect(performance.now() - start).toBeLessThan(90);

  stuck.release();
  await until(async () => (await scanner.scan()).functions[0]?.response !== "silent");
});

test("scan() has a problem for a function that hung before anything was known of it", async () => {
  const stuck = hang(NIC.address);
  scanner = createScanner({ sysfs: tree.sysfs, deadlineMs: 100 });
  const { functions, problems } = await scanner.scan();
  expect(functions.map((fn) => fn.address)).toEqual([GPU.address]);
  expect(problems).toMatchObject([{ name: NIC.address, reason: "Hung" }]);
  stuck.release();
});

test("scan() opens nothing that would wake a sleeping function, and keeps the link and the serial it had", async () => {
  tree.add({ ...GPU, serial: "00-11-22-33-44-55-66-77" });
  scanner = createScanner({ sysfs: tree.sysfs, deadlineMs: 200 });
  const [awake] = (await scanner.scan()).functions;
  expect(awake).toMatchObject({ serials: [{ kind: "dsn" }], link: { width: 16 } });

  tree.setAttribute(GPU.address, "power/runtime_status", "suspended\n");
  // Opening any of these would hang, and show as that.
  const attributes = ["current_link_speed", "current_link_width", "max_link_speed", "max_link_width"];
  const numbers = ["secondary_bus_number", "subordinate_bus_number"];
  for (const name of ["config", ...attributes, ...numbers]) hang(GPU.address, name);
  for (let round = 0; round < 2; round++) {
    const [asleep] = (await scanner.scan()).functions;
    expect(asleep).toEqual({ ...(awake as PciFunction), response: "asleep" });
  }
  // Another card in its place has another link.
  tree.setAttribute(GPU.address, "device", "0x2330\n");
  expect((await scanner.scan()).functions[0]).toMatchObject({ response: "asleep", link: null, serials: [] });
});

test("scan() waits for a slow verdict longer than for any read", async () => {
  const wanted = async (ids: { class: string }) => {
    await Bun.sleep(1_000);
    return ids.class === "020000";
  };
  scanner = createScanner({ sysfs: tree.sysfs, wanted, deadlineMs: 500 });
  expect(await scanner.scan()).toMatchObject({ functions: [{ address: NIC.address }], problems: [] });
});

test("scan() rejects where there is no sysfs, and works again when there is", async () => {
  scanner = createScanner({ sysfs: `${tree.sysfs}/later` });
  expect(scanner.scan()).rejects.toThrow("ENOENT");
  await scanner.scan().catch(() => {});
  Bun.spawnSync(["mkdir", "-p", `${tree.sysfs}/later/bus/pci/devices`]);
  expect(await scanner.scan()).toMatchObject({ looked_at: 0 });
});

test("close() ends a scan in flight, and there is none after it", async () => {
  const stuck = hang(GPU.address);
  scanner = createScanner({ sysfs: tree.sysfs });
  const scan = scanner.scan();
  await Bun.sleep(50);
  scanner.close();
  expect(scan).rejects.toThrow("closed");
  expect(scanner.scan()).rejects.toThrow("closed");
  await scan.catch(() => {});
  stuck.release();
});

const module = JSON.stringify(new URL("../../src/pci/scanner/scanner.ts", import.meta.url).href);
const run = (code: string) =>
  Bun.spawn([process.execPath, "-e", `const { createScanner } = await import(${module}); ${code}`], {
    cwd: "/",
    stdout: "pipe",
    stderr: "inherit",
  });

test("A process ends while its scanner is stuck, by itself and by exit()", async () => {
  const stuck = hang(GPU.address);
  const scan = `const scanner = createScanner({ sysfs: ${JSON.stringify(tree.sysfs)}, deadlineMs: 500 });
    const { problems } = await scanner.scan(); console.log(problems[0].reason);`;
  for (const end of ["", "scanner.close();", "process.exit(0);"]) {
    const child = run(scan + end);
    const killer = setTimeout(() => child.kill("SIGKILL"), 9000);
    expect(await child.exited).toBe(0);
    clearTimeout(killer);
    expect(await new Response(child.stdout).text()).toBe("Hung\n");
  }
  stuck.release();
});

test.if(existsSync("/proc/self/task"))("The Worker goes when it has been idle", async () => {
  const threads = () => Number(/^Threads:\s+(\d+)/m.exec(readFileSync("/proc/self/status", "utf8"))?.[1]);
  scanner = createScanner({ sysfs: tree.sysfs, idleMs: 50 });
  await scanner.scan();
  const busy = threads();
  await until(() => threads() < busy);
  expect((await scanner.scan()).looked_at).toBe(2);
});
