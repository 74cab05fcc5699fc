import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { closeSync, constants, mkdirSync, openSync, rmSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { Measurement } from "../../../src/contract/device/telemetry.ts";
import { createMeter, type Meter, MeterBusy } from "../../../src/pci/scanner/meter.ts";
import { createScanner } from "../../../src/pci/scanner/scanner.ts";
import { readTelemetry } from "../../../src/pci/telemetry/measure.ts";
import { type Device, makeTree, type Tree } from "../../support/tree.ts";

const ADDRESS = "0000:00:02.0";
const NIC: Device = { address: ADDRESS, vendor: "8086", device: "159b", class: "020000", driver: "ice" };
const NVME: Device = { ...NIC, address: "0000:00:03.0", class: "010802", driver: "nvme" };

let tree: Tree;
let meter: Meter;
beforeEach(() => {
  tree = makeTree();
  tree.add(NIC);
  tree.add(NVME);
});
afterEach(() => {
  meter?.close();
  tree.close();
});

const measured = (address = ADDRESS) => {
  const all = readTelemetry({ sysfs: tree.sysfs, address });
  if (all === null) throw new Error(`no ${address}`);
  for (const one of all) Measurement.parse(one);
  return all;
};
const sensor = (name: string, content: string, address = ADDRESS, chip = "hwmon/hwmon2") =>
  tree.setAttribute(address, `${chip}/${name}`, content);

describe("readTelemetry()", () => {
  test("measures the link, and errors by kind, zeros among them", () => {
    tree.setAer(ADDRESS, { correctable: { RxErr: 3 } });
    expect(measured()).toContainEqual({ name: "link_width_lanes", labels: {}, value: 16 });
    expect(measured()).toContainEqual({ name: "link_speed_gts", labels: {}, value: 16 });
    const errors = measured().filter(({ name }) => name === "aer_errors_total");
    expect(errors).toContainEqual({
      name: "aer_errors_total",
      labels: { severity: "correctable", kind: "RxErr" },
      value: 3,
    });
    expect(errors).toContainEqual({ name: "aer_errors_total", labels: { severity: "fatal", kind: "TLP" }, value: 0 });
    expect(errors).toHaveLength(9);
  });

  test("measures what sensors say, in units without a prefix, by their labels", () => {
    sensor("name", "ice\n");
    sensor("temp1_input", "-5500\n");
    sensor("temp1_label", "Board\n");
    sensor("temp2_input", "61850\n");
    sensor("temp3_input", "\n");
    sensor("temp1_max", "90000\n");
    sensor("power1_average", "31250000\n");
    sensor("fan1_input", "1200\n");
    const labels = (name: string) => ({ chip: "ice", sensor: name });
    expect(measured().filter(({ labels }) => labels.chip)).toEqual([
      { name: "fan_rpm", labels: labels("fan1"), value: 1200 },
      { name: "temperature_celsius", labels: labels("Board"), value: -5.5 },
      { name: "temperature_celsius", labels: labels("temp2"), value: 61.85 },
      { name: "power_watts", labels: labels("power1"), value: 31.25 },
    ]);
    sensor("name", "nvme\n", NVME.address, "nvme/nvme0/hwmon1");
    sensor("temp1_input", "38850\n", NVME.address, "nvme/nvme0/hwmon1");
    expect(measured(NVME.address)).toContainEqual({
      name: "temperature_celsius",
      labels: { chip: "nvme", sensor: "temp1" },
      value: 38.85,
    });
  });

  test("counts an interface's bytes and errors, beyond what 32 bits hold", () => {
    tree.setAttribute(ADDRESS, "net/eth0/statistics/rx_bytes", "98765432109876\n");
    tree.setAttribute(ADDRESS, "net/eth0/statistics/tx_errors", "7\n");
    const labels = { interface: "eth0" };
    expect(measured().filter(({ labels }) => labels.interface)).toEqual([
      { name: "net_receive_bytes_total", labels, value: 98765432109876 },
      { name: "net_transmit_errors_total", labels, value: 7 },
    ]);
  });

  test("does not wake a function: it is what the kernel has in memory", () => {
    tree.setAer(ADDRESS, {});
    sensor("temp1_input", "40000\n");
    tree.setAttribute(ADDRESS, "power/runtime_status", "suspended\n");
    // Were it opened, it would show.
    rmSync(join(tree.directory(ADDRESS), "current_link_speed"));
    mkdirSync(join(tree.directory(ADDRESS), "current_link_speed"));
    expect(new Set(measured().map(({ name }) => name))).toEqual(new Set(["runtime_suspended", "aer_errors_total"]));
    expect(measured()[0]).toEqual({ name: "runtime_suspended", labels: {}, value: 1 });
  });

  test("tells a function that is not there from a bus that can't be read", () => {
    expect(readTelemetry({ sysfs: tree.sysfs, address: "0000:00:1f.0" })).toBeNull();
    expect(() => readTelemetry({ sysfs: join(tree.sysfs, "nowhere"), address: ADDRESS })).toThrow("ENOENT");
  });

  test("gives finite numbers and clean labels, whatever the files hold", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 80 }), fc.uint8Array({ maxLength: 80 }), (value, label) => {
        tree.setAttribute(ADDRESS, "hwmon/hwmon0/temp1_input", value);
        tree.setAttribute(ADDRESS, "hwmon/hwmon0/temp1_label", label);
        tree.setAttribute(ADDRESS, "aer_dev_correctable", value);
        for (const one of measured()) {
          expect(Number.isFinite(one.value)).toBe(true);
          // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not be there
          for (const text of Object.values(one.labels)) expect(text).toMatch(/^[^\u0000-\u001f\u007f]{1,64}$/);
        }
      }),
      { numRuns: 50 },
    );
  });
});

describe("measure()", () => {
  test("answers as the tree is, and null where there is no such function", async () => {
    meter = createMeter({ sysfs: tree.sysfs });
    sensor("temp1_input", "40000\n");
    const [first, same, other, none] = await Promise.all([
      meter.measure(ADDRESS),
      meter.measure(ADDRESS),
      meter.measure(NVME.address),
      meter.measure("0000:00:1f.0"),
    ]);
    expect(first).toBe(same);
    expect(first).toEqual(measured());
    expect(other).toEqual(measured(NVME.address));
    expect(none).toBeNull();
  });

  test("of a sensor that does not answer rejects, holds up neither other functions nor a scan, and is tried again", async () => {
    meter = createMeter({ sysfs: tree.sysfs, deadlineMs: 200 });
    const scanner = createScanner({ sysfs: tree.sysfs, deadlineMs: 200 });
    sensor("name", "slow\n");
    const fifo = join(tree.directory(ADDRESS), "hwmon/hwmon2/temp1_input");
    if (Bun.spawnSync(["mkfifo", fifo]).exitCode !== 0) throw new Error("no mkfifo");
    const slow = meter.measure(ADDRESS);
    expect(await meter.measure(NVME.address)).toEqual(measured(NVME.address));
    expect(slow).rejects.toBeInstanceOf(MeterBusy);
    await slow.catch(() => {});
    expect(meter.measure(ADDRESS)).rejects.toBeInstanceOf(MeterBusy);
    expect((await scanner.scan()).functions.map(({ response }) => response)).toEqual(["responding", "responding"]);
    scanner.close();
    const fd = openSync(fifo, constants.O_RDWR | constants.O_NONBLOCK);
    rmSync(fifo);
    closeSync(fd);
    // The read that hung ends by and by, in another thread.
    let again: unknown = null;
    while (again === null) {
      await Bun.sleep(5);
      again = await meter.measure(ADDRESS).catch(() => null);
    }
    expect(again).toEqual(measured());
  });
});
