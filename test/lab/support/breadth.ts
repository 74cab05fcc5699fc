import { accelerator, crypto, hostBridge, nvmePf, pciSwitch, plain, port, type Topology } from "./topology.ts";

/** A machine with one of nearly everything that QEMU has: 27 functions on three host bridges, some behind a switch. */
export const breadth: Topology = {
  iommu: "intel",
  numa: true,
  cxl: true,
  parts: [
    port("p0"),
    nvmePf("ssd", 4, { bus: "p0" }),
    port("p1"),
    pciSwitch("switch", "p1", 3),
    accelerator("ai1", { bus: "switch.0" }),
    plain("e1000e", "nic1", { bus: "switch.1", romfile: "" }),
    hostBridge("far", { bus_nr: 0x40, numa_node: 1 }),
    port("p2", { bus: "far" }),
    plain("virtio-gpu-pci", "gpu", { bus: "p2" }),
    port("p3", { bus: "far" }),
    // Where there are two NUMA nodes, Linux refuses one of these that has none.
    crypto("crypto", { bus: "p3" }),
    accelerator("ai0"),
    plain("edu", "edu"),
    plain("ati-vga", "vga", { romfile: "" }),
    plain("virtio-net-pci", "nic0", { romfile: "" }),
    port("empty"),
  ],
};

export const MODULES = ["nvme", "virtio_crypto", "virtio_blk", "virtio_gpu", "e1000e", "cxl_pci"];
