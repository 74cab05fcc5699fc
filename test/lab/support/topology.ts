import type { Qmp } from "./qmp.ts";

type Properties = Record<string, string | number | boolean>;

/**
 * A device in QEMU's words, with what stands behind it. The same JSON goes to the command line and, in a running guest,
 * to QMP. Vendor ids of real accelerators can't be had from QEMU: those are in recorded trees.
 */
export interface Device extends Properties {
  driver: string;
  id: string;
}
export interface Part {
  /** As they are on their bus: a bridge before what is behind it. */
  devices: Device[];
  objects?: Properties[];
  blockdevs?: Properties[];
}

export interface Topology {
  parts: Part[];
  /** The IOMMU that firmware tells of; null: there is none, as on a machine where it is switched off in the firmware. */
  iommu?: "intel" | "amd" | null;
  /** Two nodes of memory and CPUs instead of one. */
  numa?: boolean;
  /** A CXL host bridge `cxl` with a root port `cxl.port`. */
  cxl?: boolean;
}

/** Bytes of the host's memory behind anything that has none of its own. */
const nothing = (id: string): Properties => ({
  driver: "null-co",
  "node-name": id,
  size: 64 * 1024 * 1024,
  "read-zeroes": true,
});

/** A PCI Express port that holds one device: what is hot-plugged needs an empty one. */
export const port = (id: string, more: Properties = {}): Part => ({
  devices: [{ driver: "pcie-root-port", id, chassis: nextChassis(), slot: chassis, ...more }],
});
let chassis = 0;
const nextChassis = () => (chassis += 1);

/** A switch without ACS (TI X3130): what is behind its ports `ID.0`, `ID.1`... shares an IOMMU group with them. */
export const pciSwitch = (id: string, bus: string, ports = 2): Part => ({
  devices: [
    { driver: "x3130-upstream", id, bus },
    ...Array.from({ length: ports }, (_, index) => ({
      ...{ driver: "xio3130-downstream", id: `${id}.${index}`, bus: id, addr: `0x${index.toString(16)}` },
      ...{ chassis: nextChassis(), slot: chassis },
    })),
  ],
});

/** A host bridge of its own; its bus numbers begin with `bus_nr`, and `numa_node` is its own where there are two. */
export const hostBridge = (id: string, more: Properties & { bus_nr: number }): Part => plain("pxb-pcie", id, more);

/** A CRYPTO accelerator with a driver in the kernel. */
export const crypto = (id: string, more: Properties = {}): Part => ({
  objects: [{ "qom-type": "cryptodev-backend-builtin", id: `${id}-backend` }],
  devices: [{ driver: "virtio-crypto-pci", id, cryptodev: `${id}-backend`, ...more }],
});

/** A function of class 120000, processing accelerator. What it does is a disk's work: its driver is virtio-pci. */
export const accelerator = (id: string, more: Properties = {}): Part => ({
  blockdevs: [nothing(`${id}-disk`)],
  devices: [{ driver: "virtio-blk-pci", id, class: 0x1200, drive: `${id}-disk`, ...more }],
});

/** An SSD. */
export const nvme = (id: string, more: Properties = {}): Part => ({
  blockdevs: [nothing(`${id}-disk`)],
  devices: [{ driver: "nvme", id, serial: `LAB-${id}`, drive: `${id}-disk`, ...more }],
});

/** An SSD that is a PF with up to so many VFs; not to be hot-plugged. */
export const nvmePf = (id: string, vfs: number, more: Properties = {}): Part => ({
  blockdevs: [nothing(`${id}-disk`)],
  devices: [
    { driver: "nvme-subsys", id: `${id}-subsys`, nqn: id },
    {
      ...{ driver: "nvme", id, serial: `LAB-${id}`, subsys: `${id}-subsys`, sriov_max_vfs: vfs, ...more },
      // Each VF that is to be enabled takes two queues and an interrupt of these.
      ...{ max_ioqpairs: 3 * vfs, msix_qsize: 3 * vfs + 1, sriov_vq_flexible: 2 * vfs, sriov_vi_flexible: vfs },
    },
    { driver: "nvme-ns", id: `${id}-ns`, bus: id, drive: `${id}-disk` },
  ],
});

/** Any device that needs nothing behind it. */
export const plain = (driver: string, id: string, more: Properties = {}): Part => ({
  devices: [{ driver, id, ...more }],
});

/** The first slot of bus 0 that a device is given; the last ones are the guest's own (see OWN). */
const FIRST_SLOT = 0x02;
/** Where the checkout and the network of a guest are, out of the topology's way. */
export const OWN = { checkout: "0x1e", network: "0x1d" } as const;

/** QEMU's arguments for it. Who names no bus is on bus 0, in the order given: `address` tells where. */
export function topologyArguments({ parts, iommu = null, numa = false, cxl = false }: Topology): string[] {
  const json = (flag: string, all: Properties[]) => all.flatMap((one) => [flag, JSON.stringify(one)]);
  const all = cxl ? [...parts, CXL] : parts;
  return [
    ...["-machine", `q35${cxl ? ",cxl=on,cxl-fmw.0.targets.0=cxl,cxl-fmw.0.size=4G" : ""}`],
    ...(iommu === "intel" ? json("-device", [{ driver: "intel-iommu", intremap: "off", "caching-mode": true }]) : []),
    ...(iommu === "amd" ? json("-device", [{ driver: "amd-iommu" }]) : []),
    ...(numa ? NUMA : []),
    ...json(
      "-object",
      all.flatMap(({ objects = [] }) => objects),
    ),
    ...json(
      "-blockdev",
      all.flatMap(({ blockdevs = [] }) => blockdevs),
    ),
    ...json("-device", placed(all)),
  ];
}

const NUMA = [0, 1].flatMap((node) => [
  ...["-object", JSON.stringify({ "qom-type": "memory-backend-ram", id: `memory${node}`, size: 512 * 1024 * 1024 })],
  ...["-numa", `node,nodeid=${node},memdev=memory${node},cpus=${node}`],
]);

const CXL: Part = {
  devices: [
    { driver: "pxb-cxl", id: "cxl", bus_nr: 0xe0 },
    { driver: "cxl-rp", id: "cxl.port", bus: "cxl", chassis: 200, slot: 200, port: 0 },
    { driver: "cxl-type3", id: "cxl.memory", bus: "cxl.port", memdev: "cxl-backend", lsa: "cxl-labels" },
  ],
  objects: ["cxl-backend", "cxl-labels"].map((id) => ({
    ...{ "qom-type": "memory-backend-ram", id, size: 256 * 1024 * 1024, share: true },
  })),
};

/** Drivers that sit on no PCI bus. */
const BUSLESS = ["nvme-subsys"];

function placed(parts: Part[]): Device[] {
  let slot = FIRST_SLOT;
  return parts.flatMap(({ devices }) =>
    devices.map((device) => {
      if (device.bus !== undefined || BUSLESS.includes(device.driver)) return device;
      return { ...device, bus: "pcie.0", addr: `0x${(slot++).toString(16)}` };
    }),
  );
}

/** Puts a part into a running guest, at the empty port that its device names as its bus. */
export async function plug(qmp: Qmp, { devices, objects = [], blockdevs = [] }: Part): Promise<void> {
  for (const one of objects) await qmp.execute("object-add", one);
  for (const one of blockdevs) await qmp.execute("blockdev-add", one);
  for (const one of devices) await qmp.execute("device_add", one);
}

/** Asks the guest to let go of it, as an operator's button does, and waits until it has. */
export async function unplug(qmp: Qmp, { devices, objects = [], blockdevs = [] }: Part): Promise<void> {
  for (const { id } of devices) {
    const gone = qmp.event("DEVICE_DELETED", ({ device }) => device === id);
    await qmp.execute("device_del", { id });
    await gone;
  }
  for (const one of blockdevs) await qmp.execute("blockdev-del", { "node-name": one["node-name"] });
  for (const { id } of objects) await qmp.execute("object-del", { id });
}
