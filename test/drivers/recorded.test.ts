import { describe, expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { Glob } from "bun";
import type { DeviceType } from "../../src/contract/hardware.ts";
import { classify } from "../../src/drivers/registry.ts";
import type { PciFunction } from "../../src/pci/function.ts";
import { pciFunction, vfOf } from "./functions.ts";

const recorded = new URL("../../../shared/fixtures", import.meta.url).pathname;
const here = existsSync(recorded);

interface Expected {
  vendor: string;
  device: string;
  class: string;
  prog_if: string;
  physfn?: string;
  accel_type: string | null;
}

/** What is in each recorded host, by reading it: "functions" or "functions/cards" where the two differ. */
const HOSTS: Record<string, Partial<Record<DeviceType, string>>> = {
  "checkbox/dell_poweredge_r820_nvme.sysfs.tar.gz": { NIC: "4", SSD: "2" },
  "checkbox/element_biosciences_instrument.sysfs.tar.gz": { GPU: "1", NIC: "2", FPGA: "1", SSD: "1" },
  "checkbox/hp_elitebook_835_13_inch_g10.sysfs.tar.gz": { GPU: "1", NIC: "1", SSD: "1" },
  "checkbox/nvidia_dgx_station.sysfs.tar.gz": { GPU: "4", NIC: "2" },
  "checkbox/nvidia_dgxa100.sysfs.tar.gz": { GPU: "8", NIC: "11", SSD: "6" },
  "checkbox/shuttle_dh270_with_coral.sysfs.tar.gz": { GPU: "1", NIC: "3", AICHIP: "1" },
  "checkbox/xeon.sysfs.tar.gz": { GPU: "2", NIC: "1" },
  "cyborg/fpga-intel.tar.gz": { FPGA: "3/2" },
  "cyborg/qat-intel.tar.gz": { CRYPTO: "3/2" },
  // Eight of them are VFs of an I350, in a tree without physfn links.
  "ghw/linux-amd64-8581cf3a529e5d8b97ea876eade2f60d.tar.gz": { NIC: "14/6" },
  "ghw/linux-amd64-accel-nvidia.tar.gz": { GPU: "1", NIC: "1" },
  "ghw/linux-amd64-accel.tar.gz": { NIC: "1" },
  "ghw/linux-arm64-c288e0776090cd558ef793b2a4e61939.tar.gz": { NIC: "1", SSD: "1" },
  "hwloc/2pa-pcidomain32bits.tar.bz2": { NIC: "1" },
  "hwloc/32intel64-2p8co2t+8ve.tar.bz2": { NIC: "4", AICHIP: "8" },
  "hwloc/40intel64-2g2n4c+pcilocality.tar.bz2": { NIC: "4" },
  "hwloc/fakepcilocalities.tar.bz2": { NIC: "4" },
  "hwloc/nvidiagpunumanodes.tar.bz2": {},
  "lact/amd_r7-240.lspci": { GPU: "1" },
  "lact/amd_strixpoint.lspci": { GPU: "1" },
  "lact/intel_b580-6.16.lspci": { GPU: "1" },
  "lact/intel_b580.lspci": { GPU: "1" },
  "libvirt/nvme-and-laptop.lspci": { GPU: "1", NIC: "1", SSD: "2" },
  "pciutils/PCI-X-bridges-and-domains.lspci": { GPU: "1", NIC: "9" },
  "pciutils/broken-ecaps.lspci": {},
  "pciutils/cap-address-xlation.lspci": { NIC: "1" },
  "pciutils/cap-aer-hdr.lspci": {},
  "pciutils/cap-dev3.lspci": { SSD: "1" },
  "pciutils/cap-doe.lspci": {},
  "pciutils/cap-dvsec-cxl.lspci": {},
  "pciutils/cap-exp-lnkcap2.lspci": { GPU: "1" },
  "pciutils/cap-exp-rev-slot.lspci": {},
  "pciutils/cap-flitmode.lspci": { SSD: "1" },
  "pciutils/cap-ht.lspci": {},
  "pciutils/cap-ide.lspci": {},
  "pciutils/cap-pci-af.lspci": {},
  "pciutils/cap-pcie-2.lspci": { NIC: "1" },
  "pciutils/cap-phy32.lspci": { SSD: "1" },
  "pciutils/cap-rebar.lspci": { GPU: "1" },
  "pciutils/cap-vc-and-rcl.lspci": { NIC: "2" },
  "pciutils/cap-vendor-virtio.lspci": { NIC: "1" },
  "pciutils/pri-pasid.lspci": { DSA: "1" },
  "pciutils/tree-asus-p6t6.lspci": { GPU: "1", NIC: "2" },
  "procfs/pci.tar.gz": { NIC: "2", SSD: "1" },
};

const PROPOSALS: Record<string, DeviceType | undefined> = {
  gpu: "GPU",
  ai: "AICHIP",
  nvme: "SSD",
  nic: "NIC",
  qat: "CRYPTO",
  "crypto-psp": "CRYPTO",
  dsa: "DSA",
  fpga: "FPGA",
  nvswitch: "GPU",
  coprocessor: "AICHIP",
};

/** Where the record's proposal and we differ, as `proposal -> ours`, and why we are right. */
const DIFFERENCES: Record<string, string> = {
  "null -> NIC": "the record proposes only accelerated adapters; every network controller is a NIC by its class",
  "crypto-psp -> null": "a security processor on the die is no card to offer to a workload",
  "nvswitch -> null": "a switch between GPUs computes nothing",
  "coprocessor -> null": "1014:00e0 of class 0b40 is not known to be anything, and the class says nothing by itself",
};

const siblingsOf = (fn: PciFunction, all: PciFunction[]) =>
  all.filter((other) => other.address.slice(0, -2) === fn.address.slice(0, -2));

const files = here ? [...new Glob("**/*.expect.json").scanSync(recorded)].sort() : [];

async function read(file: string): Promise<{ fn: PciFunction; proposal: string | null }[]> {
  const functions: Record<string, Expected> = await Bun.file(`${recorded}/${file}`).json();
  return Object.entries(functions).map(([address, each]) => ({
    fn: pciFunction(`${each.vendor}:${each.device}`, each.class + each.prog_if, {
      address,
      ...(each.physfn ? vfOf(each.physfn) : {}),
    }),
    proposal: each.accel_type,
  }));
}

describe.if(here)("classify() on recorded hosts", () => {
  test.each(files)("%s", async (file) => {
    const functions = (await read(file)).map(({ fn }) => fn);
    const found: Record<string, [functions: number, cards: number]> = {};
    for (const fn of functions) {
      const classified = classify(fn, siblingsOf(fn, functions));
      if (!classified) continue;
      const [count, cards] = found[classified.kind.deviceType] ?? [0, 0];
      found[classified.kind.deviceType] = [count + 1, cards + classified.claim.num];
    }
    const text = Object.entries(found).map(([type, [count, cards]]) => [
      type,
      count === cards ? `${count}` : `${count}/${cards}`,
    ]);
    expect(Object.fromEntries(text)).toEqual(HOSTS[file.replace(".expect.json", "")] ?? "a host that was not read yet");
  });

  test("differs from the recorded proposals only where it is known why", async () => {
    const seen = new Set<string>();
    for (const file of files) {
      for (const { fn, proposal } of await read(file)) {
        const ours = classify(fn)?.kind.deviceType ?? null;
        if (((proposal && PROPOSALS[proposal]) ?? null) !== ours) seen.add(`${proposal} -> ${ours}`);
      }
    }
    expect([...seen].sort()).toEqual(Object.keys(DIFFERENCES).sort());
  });
});
