import { afterEach, describe, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import type { PciFunction } from "../../../src/pci/function.ts";
import { parseAer } from "../../../src/pci/sysfs/facts/aer.ts";
import { parseCrypto } from "../../../src/pci/sysfs/facts/crypto.ts";
import { hopsOf } from "../../../src/pci/sysfs/facts/hops.ts";
import { switchedOffBy } from "../../../src/pci/sysfs/facts/iommu.ts";
import { scanPci } from "../../../src/pci/sysfs/scan.ts";
import { type Device, makeTree, type Tree } from "../../support/tree.ts";

let tree: Tree = makeTree();
afterEach(() => {
  tree.close();
  tree = makeTree();
});

const PORT: Device = { address: "0000:00:01.0", vendor: "8086", device: "352a", class: "060400", secondary: 1 };
const CARD: Device = { address: "0000:01:00.0", parent: PORT.address, vendor: "10de", device: "2331", class: "030200" };
const NVME: Device = { ...CARD, vendor: "144d", device: "a824", class: "010802", driver: "nvme" };
const NIC: Device = { ...CARD, vendor: "8086", device: "159b", class: "020000", driver: "ice" };

function one(address = CARD.address, proc?: string): PciFunction {
  const found = scanPci({ sysfs: tree.sysfs, proc }).functions.find((fn) => fn.address === address);
  if (!found) throw new Error(`${address} is not there`);
  return found;
}
const link = (width: number, maxWidth = width, speed = 16, maxSpeed = speed) => ({ speed, width, maxSpeed, maxWidth });

describe("hops", () => {
  test("are the links of a card and of each switch above it, with what both ends can", () => {
    tree.add({ ...PORT, link: link(8, 8) });
    tree.add({ ...PORT, address: "0000:01:00.0", parent: PORT.address, secondary: 2, link: link(8, 16, 8, 32) });
    tree.add({ ...PORT, address: "0000:02:03.0", parent: "0000:01:00.0", secondary: 3, link: link(4, 16) });
    tree.add({ ...CARD, address: "0000:03:00.0", parent: "0000:02:03.0", link: link(4, 16, 2.5, 32) });
    expect(one("0000:03:00.0").hops).toEqual([
      {
        device: "0000:03:00.0",
        port: "0000:02:03.0",
        speed_gts: 2.5,
        width: 4,
        max_speed_gts: 32,
        max_width: 16,
        both_speed_gts: 16,
        both_width: 16,
      },
      {
        device: "0000:01:00.0",
        port: "0000:00:01.0",
        speed_gts: 8,
        width: 8,
        max_speed_gts: 32,
        max_width: 16,
        both_speed_gts: 16,
        both_width: 8,
      },
    ]);
  });

  test("are none for what has no link of its own, and null where it is not to be seen", () => {
    tree.add({ ...CARD, address: "0000:00:02.0", parent: undefined, link: null });
    expect(one("0000:00:02.0").hops).toEqual([]);
    tree.setConfig("0000:00:02.0", tree.config("0000:00:02.0").subarray(0, 64));
    expect(one("0000:00:02.0").hops).toBeNull();
    tree.add({ ...CARD, address: "0000:00:03.0", parent: undefined, runtimeStatus: "suspended" });
    expect(one("0000:00:03.0").hops).toBeNull();
  });

  test("do not wake a port, touch one that is skipped, or count a VF's link as its own", () => {
    tree.add({ ...PORT, runtimeStatus: "suspended" });
    tree.add({ ...CARD, sriov: { total: 2, enabled: 1 } });
    tree.add({ ...CARD, address: "0000:01:00.4", physfn: { pf: CARD.address, index: 0 } });
    // Were it opened, it would show as unreadable, or as a link.
    rmSync(join(tree.directory(PORT.address), "max_link_width"));
    mkdirSync(join(tree.directory(PORT.address), "max_link_width"));
    expect(one().hops).toMatchObject([{ port: PORT.address, both_width: null, both_speed_gts: null }]);
    expect(one("0000:01:00.4").hops).toEqual([]);
    const skip = new Set([PORT.address]);
    const touched: string[] = [];
    scanPci({ sysfs: tree.sysfs, skip, onFunction: (address) => touched.push(address) });
    expect(touched).not.toContain(PORT.address);
  });

  test("come to an end where ports lie in a circle", () => {
    const wide = { speed_gts: 16, width: 16, max_speed_gts: 16, max_width: 16 };
    expect(
      hopsOf("a", wide, "b", (address) => ({ link: wide, can: wide, parent: address === "b" ? "a" : "b" })).length,
    ).toBe(256);
  });
});

describe("AER counters", () => {
  test("are what is not zero, without the total, and null where the kernel counts none", () => {
    tree.add(PORT);
    tree.add(CARD);
    expect(one().aer).toBeNull();
    tree.setAer(CARD.address, {});
    expect(one().aer).toEqual({ correctable: {}, nonfatal: {}, fatal: {} });
    tree.setAer(CARD.address, { correctable: { RxErr: 12, BadTLP: 3 }, fatal: { DLP: 1 } });
    expect(one().aer).toEqual({ correctable: { RxErr: 12, BadTLP: 3 }, nonfatal: {}, fatal: { DLP: 1 } });
    tree.setAttribute(CARD.address, "power/runtime_status", "suspended\n");
    // The kernel has them in memory.
    expect(one().aer?.correctable).toEqual({ RxErr: 12, BadTLP: 3 });
  });

  test("parse whatever a file holds into counts", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 2000 }), (text) => {
        for (const [kind, count] of parseAer(text)) {
          expect(kind).toMatch(/^[A-Za-z][A-Za-z0-9]*$/);
          expect(Number.isSafeInteger(count)).toBe(true);
        }
      }),
    );
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.stringMatching(/^[A-Z][A-Za-z]{0,10}$/), fc.nat())), (counts) => {
        const text = counts.map(([kind, count]) => `${kind} ${count}\n`).join("");
        expect(parseAer(`${text}TOTAL_ERR_COR 7\n`)).toEqual(counts.slice(0, 64));
      }),
    );
  });
});

describe("the IOMMU", () => {
  test("is told apart: groups, off, absent, untold, not to be seen", () => {
    tree.add(PORT);
    expect(one(PORT.address).iommu).toBeNull();
    const seen = (groups: number, tables: string[]) => {
      tree.setIommu(groups, tables);
      return one(PORT.address).iommu;
    };
    expect(seen(3, ["DMAR"])).toMatchObject({ state: "groups" });
    expect(seen(0, ["APIC", "DMAR"])).toEqual({ state: "off", table: "DMAR", parameter: null });
    expect(seen(0, ["FACP"])).toMatchObject({ state: "absent" });
    expect(seen(0, [])).toMatchObject({ state: "untold" });
    const proc = mkdtempSync(join(tmpdir(), "sinew-proc-"));
    writeFileSync(join(proc, "cmdline"), "root=/dev/sda amd_iommu=fullflush,off quiet\n");
    tree.setIommu(0, ["IVRS"]);
    expect(one(PORT.address, proc).iommu).toEqual({
      state: "off",
      table: "IVRS",
      parameter: "amd_iommu=fullflush,off",
    });
    rmSync(proc, { recursive: true });
  });

  test("is switched off by a value of its own parameters only", () => {
    expect(switchedOffBy("quiet intel_iommu=off")).toBe("intel_iommu=off");
    expect(switchedOffBy("iommu=pt,off x")).toBe("iommu=pt,off");
    for (const line of ["", "intel_iommu=on iommu=pt", "myiommu=off", "iommu=offset", "iommu=no-off"]) {
      expect(switchedOffBy(line)).toBeNull();
    }
    fc.assert(fc.property(fc.string({ unit: "binary", maxLength: 5000 }), (line) => void switchedOffBy(line)));
  });
});

describe("what a kernel driver tells", () => {
  test("of an NVMe controller is its model, serial number and firmware", () => {
    tree.add(PORT);
    tree.add({ ...NVME, serial: "00-25-38-ab-cd-ef-01-02" });
    tree.setAttribute(NVME.address, "nvme/nvme3/model", "SAMSUNG MZQL2960HCJR-00A07              \n");
    tree.setAttribute(NVME.address, "nvme/nvme3/serial", "S64FNE0R901234      \n");
    tree.setAttribute(NVME.address, "nvme/nvme3/firmware_rev", "GDC5602Q\n");
    expect(one()).toMatchObject({
      attributes: { nvme_controller: "nvme3", model: "SAMSUNG MZQL2960HCJR-00A07", firmware_version: "GDC5602Q" },
      serials: [
        { kind: "dsn", value: "00-25-38-ab-cd-ef-01-02" },
        { kind: "nvme", value: "S64FNE0R901234" },
      ],
    });
    // No driver, and so nobody who has asked it.
    tree.unbind(NVME.address);
    expect(one()).toMatchObject({ attributes: {}, serials: [{ kind: "dsn" }] });
  });

  test("of a NIC are its interfaces and whether one is up, also through virtio", () => {
    tree.add(PORT);
    tree.add(NIC);
    tree.setAttribute(NIC.address, "net/eth10/operstate", "down\n");
    tree.setAttribute(NIC.address, "net/eth2/operstate", "down\n");
    expect(one().attributes).toEqual({ net_interfaces: "eth2,eth10", net_link_up: false });
    tree.setAttribute(NIC.address, "net/eth2/operstate", "up\n");
    expect(one().attributes).toMatchObject({ net_link_up: true });
    tree.add({ ...NIC, address: "0000:01:01.0", vendor: "1af4", device: "1041", driver: "virtio-pci" });
    tree.setAttribute("0000:01:01.0", "virtio4/net/ens3/operstate", "up\n");
    expect(one("0000:01:01.0").attributes).toMatchObject({ net_interfaces: "ens3", net_link_up: true });
  });

  test("of a GPU and a processing accelerator are their nodes below /dev", () => {
    tree.add(PORT);
    tree.add({ ...CARD, driver: "amdgpu" });
    tree.setAttribute(CARD.address, "drm/card1/dev", "226:1\n");
    tree.setAttribute(CARD.address, "drm/renderD129/dev", "226:129\n");
    expect(one().attributes).toEqual({ drm_card: "card1", drm_render: "renderD129" });
    tree.add({ ...CARD, address: "0000:01:01.0", class: "120000", driver: "habanalabs" });
    tree.setAttribute("0000:01:01.0", "accel/accel0/dev", "261:0\n");
    expect(one("0000:01:01.0").attributes).toEqual({ accel_node: "accel0" });
  });

  test("is nothing while the function sleeps", () => {
    tree.add(PORT);
    tree.add({ ...NVME, runtimeStatus: "suspended" });
    tree.setAttribute(NVME.address, "nvme/nvme0/model", "m\n");
    expect(one()).toMatchObject({ attributes: {}, serials: [] });
  });

  test("of itself is its module's version", () => {
    tree.add(PORT);
    tree.add({ ...CARD, driver: "nvidia" });
    mkdirSync(join(tree.sysfs, "bus/pci/drivers/nvidia/module"), { recursive: true });
    writeFileSync(join(tree.sysfs, "bus/pci/drivers/nvidia/module/version"), "550.54.15\n");
    expect(one().attributes).toEqual({ kernel_driver_version: "550.54.15" });
  });

  test("is cut and cleaned, whatever bytes it is", () => {
    tree.add(PORT);
    tree.add(NVME);
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        tree.setAttribute(NVME.address, "nvme/nvme0/model", bytes);
        const model = one().attributes.model ?? "";
        expect(String(model).length).toBeLessThanOrEqual(64);
        // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not be there
        expect(String(model)).not.toMatch(/[\u0000-\u001f\u007f]/);
      }),
      { numRuns: 50 },
    );
  });

  test("of a virtio crypto device are the algorithms in /proc/crypto, by its module", () => {
    const proc = mkdtempSync(join(tmpdir(), "sinew-proc-"));
    const entry = (name: string, module: string) =>
      `name         : ${name}\ndriver       : x\nmodule       : ${module}\n`;
    writeFileSync(
      join(proc, "crypto"),
      [entry("cbc(aes)", "virtio_crypto"), entry("sha256", "kernel"), entry("cbc(aes)", "virtio_crypto")].join("\n"),
    );
    tree.add({ ...CARD, vendor: "1af4", device: "1054", class: "00ff00", driver: "virtio-pci", parent: undefined });
    expect(one(CARD.address, proc).algorithms).toEqual(["cbc(aes)"]);
    // A recorded tree is not of this host.
    expect(one().algorithms).toBeNull();
    tree.unbind(CARD.address);
    expect(one(CARD.address, proc).algorithms).toBeNull();
    rmSync(proc, { recursive: true });
  });

  test("parses whatever /proc/crypto holds", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 2000 }), (text) => {
        for (const names of parseCrypto(`${text}\n\nname : a\nmodule : b\n`).values()) {
          expect(names.every((name) => /^[\x21-\x7e]+$/.test(name))).toBe(true);
        }
      }),
    );
  });
});

describe("driver_override", () => {
  test("is read where no driver is bound, and clear is null", () => {
    tree.add(PORT);
    tree.add(CARD);
    tree.setAttribute(CARD.address, "driver_override", "(null)\n");
    expect(one().driver_override).toBeNull();
    tree.setAttribute(CARD.address, "driver_override", "vfio-pci\n");
    expect(one().driver_override).toBe("vfio-pci");
  });
});
