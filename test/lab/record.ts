// `bun test/lab/record.ts [NAME...]`: records guests as test/fixtures/lab/NAME.json, by `sinew snapshot --scrub` in each, for
// the tests that need what a kernel says and no kernel. To be run again when a snapshot learns to record more.
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { closeGuests, type GuestOptions, startGuest } from "./support/guest.ts";
import { command } from "./support/sinew.ts";
import { crypto, nvme, nvmePf, plain, port } from "./support/topology.ts";

const SSD = [port("p0"), nvme("ssd", { bus: "p0" })];

const RECORDINGS: Record<string, GuestOptions & { before?: string }> = {
  /** One of each kind that QEMU has: an NVMe SSD with two of its four VFs on, a crypto card, NICs, GPUs with drm nodes. */
  kinds: {
    iommu: "intel",
    parts: [
      port("p0"),
      nvmePf("ssd", 4, { bus: "p0" }),
      port("p1"),
      crypto("crypto", { bus: "p1" }),
      port("p2"),
      plain("virtio-net-pci", "nic", { bus: "p2", romfile: "" }),
      plain("virtio-gpu-pci", "gpu"),
      plain("bochs-display", "display"),
      plain("e1000e", "intel", { romfile: "" }),
    ],
    modules: ["nvme", "virtio_crypto", "virtio_gpu", "bochs", "e1000e"],
    before: "echo 2 > /sys/bus/pci/devices/0000:01:00.0/sriov_numvfs",
  },
  /** Firmware tells of no IOMMU. */
  "no-iommu": { parts: SSD, modules: ["nvme"] },
  /** It tells of one, and the kernel was told to leave it off. */
  "iommu-off": { parts: SSD, modules: ["nvme"], iommu: "intel", parameters: "intel_iommu=off" },
  /** The slot's power goes off behind the kernel's back (Slot Control, Power Controller Control: PCIe 6.0, 7.5.3.10). */
  "lost-power": {
    parts: SSD,
    modules: ["nvme"],
    iommu: "intel",
    before: "setpci -s 00:02.0 CAP_EXP+18.w=0400:0400",
  },
};

const wanted = process.argv.slice(2);
const folder = join(import.meta.dir, "../fixtures/lab");
mkdirSync(folder, { recursive: true });
try {
  for (const [name, { before = "true", ...options }] of Object.entries(RECORDINGS)) {
    if (wanted.length > 0 && !wanted.includes(name)) continue;
    const guest = await startGuest(options);
    await guest.sh(before);
    writeFileSync(join(folder, `${name}.json`), await command(guest, "snapshot", "--scrub"));
    await guest.close();
    console.log(name);
  }
} finally {
  await closeGuests();
}
