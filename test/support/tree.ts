import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { configBytes } from "./config-bytes.ts";

/** A PCI function to be put on a bus. What is left out gets the value of an ordinary endpoint. */
export interface Device {
  address: string;
  /** Hexadecimal, without 0x. */
  vendor: string;
  device: string;
  /** `030200`; 060400 is a bridge and needs `secondary`. */
  class: string;
  revision?: string;
  /** `10de:16c1` */
  subsystem?: string | null;
  /** The bridge above; without one it is on a root bus. */
  parent?: string;
  /** Bus numbers below a bridge. */
  secondary?: number;
  subordinate?: number;
  driver?: string | null;
  numaNode?: number;
  iommuGroup?: number;
  /** Null: conventional PCI, no Express capability and no link attributes. */
  link?: { speed: number; width: number; maxSpeed: number; maxWidth: number } | null;
  serial?: string | null;
  sriov?: { total: number; enabled: number } | null;
  /** On a VF: its PF and its number there. */
  physfn?: { pf: string; index: number };
  bars?: { index: number; size: number; type?: "mem32" | "mem64" | "io"; prefetchable?: boolean }[];
  runtimeStatus?: string;
  label?: string;
  slot?: string;
  /** Instead of the bytes that follow from the rest; null: no config file. */
  config?: Uint8Array | null;
}

type Counts = Record<string, number>;
export type Tree = ReturnType<typeof makeTree>;

const LINK = { speed: 16, width: 16, maxSpeed: 32, maxWidth: 16 };
const BARS: NonNullable<Device["bars"]> = [{ index: 0, size: 16 * 1024 * 1024, type: "mem64", prefetchable: true }];
const number = (hex: string | undefined) => Number.parseInt(hex ?? "0", 16);
const gts = (speed: number) => `${speed.toFixed(1)} GT/s PCIe\n`;

/** A sysfs tree in a temporary directory, laid out as the kernel does, that tests change as hardware would. */
export function makeTree() {
  const sysfs = mkdtempSync(join(tmpdir(), "sinew-sysfs-"));
  const bus = join(sysfs, "bus/pci");
  const devices = new Map<string, Device>();
  for (const name of ["devices", "drivers", "slots"]) mkdirSync(join(bus, name), { recursive: true });

  /** `devices/pci0000:00/0000:00:01.0/0000:01:00.0` */
  function relative(address: string): string {
    const parent = devices.get(address)?.parent;
    return parent
      ? `${relative(parent)}/${address}`
      : `devices/pci${address.slice(0, address.lastIndexOf(":"))}/${address}`;
  }
  const directory = (address: string) => join(sysfs, relative(address));
  /** At once, as an attribute of the kernel changes: whoever watches the tree never sees half of it. */
  function write(address: string, name: string, content: string | Uint8Array): void {
    const path = join(directory(address), name);
    mkdirSync(dirname(path), { recursive: true });
    const aside = existsSync(path) ? `${path}.new` : path;
    writeFileSync(aside, content);
    if (aside !== path) renameSync(aside, path);
  }
  const up = (address: string) => "../".repeat(relative(address).split("/").length);
  const unlink = (path: string) => rmSync(path, { force: true });

  function bind(address: string, driver: string): void {
    mkdirSync(join(bus, "drivers", driver), { recursive: true });
    const link = join(directory(address), "driver");
    symlinkSync(`${up(address)}bus/pci/drivers/${driver}`, `${link}.new`);
    renameSync(`${link}.new`, link);
  }

  function add(device: Device): void {
    const { address } = device;
    devices.set(address, device);
    mkdirSync(join(directory(address), "power"), { recursive: true });
    const link = device.link === undefined ? LINK : device.link;
    const [subVendor = "", subDevice = ""] = (device.subsystem ?? "0000:0000").split(":");
    const { secondary } = device;
    const primary = number(address.split(":")[1]);
    const attributes: Record<string, string> = {
      vendor: `0x${device.vendor}\n`,
      device: `0x${device.device}\n`,
      class: `0x${device.class}\n`,
      revision: `0x${device.revision ?? "00"}\n`,
      subsystem_vendor: `0x${subVendor}\n`,
      subsystem_device: `0x${subDevice}\n`,
      irq: "0\n",
      enable: "1\n",
      numa_node: `${device.numaNode ?? -1}\n`,
      resource: resource(device.bars ?? (secondary === undefined ? BARS : [])),
      "power/runtime_status": `${device.runtimeStatus ?? "active"}\n`,
      uevent: [
        `PCI_CLASS=${device.class.replace(/^0+(?=.)/, "")}`,
        `PCI_ID=${device.vendor}:${device.device}`,
        `PCI_SUBSYS_ID=${subVendor}:${subDevice}`,
        `PCI_SLOT_NAME=${address}\n`,
      ]
        .join("\n")
        .toUpperCase(),
    };
    if (link) {
      attributes.current_link_speed = gts(link.speed);
      attributes.max_link_speed = gts(link.maxSpeed);
      attributes.current_link_width = `${link.width}\n`;
      attributes.max_link_width = `${link.maxWidth}\n`;
    }
    if (secondary !== undefined) {
      attributes.secondary_bus_number = `${secondary}\n`;
      attributes.subordinate_bus_number = `${device.subordinate ?? secondary}\n`;
    }
    if (device.sriov) {
      attributes.sriov_totalvfs = `${device.sriov.total}\n`;
      attributes.sriov_numvfs = `${device.sriov.enabled}\n`;
    }
    if (device.label !== undefined) attributes.label = `${device.label}\n`;
    for (const [name, content] of Object.entries(attributes)) write(address, name, content);

    const config =
      device.config === undefined
        ? configBytes({
            vendor: number(device.vendor),
            device: number(device.device),
            class: number(device.class),
            revision: number(device.revision),
            subsystem: device.subsystem ? { vendor: number(subVendor), device: number(subDevice) } : null,
            bus: secondary === undefined ? null : { primary, secondary, subordinate: device.subordinate ?? secondary },
            link,
            serial: device.serial ?? null,
            sriov: device.sriov ?? null,
            virtual: device.physfn !== undefined,
          })
        : device.config;
    if (config) write(address, "config", config);

    if (device.driver) bind(address, device.driver);
    if (device.iommuGroup !== undefined) {
      symlinkSync(`${up(address)}kernel/iommu_groups/${device.iommuGroup}`, join(directory(address), "iommu_group"));
    }
    if (device.physfn) {
      const { pf, index } = device.physfn;
      symlinkSync(`../${pf}`, join(directory(address), "physfn"));
      unlink(join(directory(pf), `virtfn${index}`));
      symlinkSync(`../${address}`, join(directory(pf), `virtfn${index}`));
    }
    if (device.slot) {
      mkdirSync(join(bus, "slots", device.slot), { recursive: true });
      writeFileSync(join(bus, "slots", device.slot, "address"), `${address.slice(0, address.lastIndexOf("."))}\n`);
    }
    const entry = join(bus, "devices", address);
    unlink(entry);
    symlinkSync(`../../../${relative(address)}`, entry);
  }

  function remove(address: string): void {
    unlinkSync(join(bus, "devices", address));
    rmSync(directory(address), { recursive: true });
    const slot = devices.get(address)?.slot;
    devices.delete(address);
    // A slot holds all functions of a card, and stays for as long as one of them.
    const empty = slot && ![...devices.values()].some((other) => other.slot === slot);
    if (empty) rmSync(join(bus, "slots", slot), { recursive: true, force: true });
  }

  return {
    /** The root: what `/sys` is on a host. */
    sysfs,
    directory,
    add,
    /** Takes it out; what is below a bridge goes with it. */
    remove,
    bind,
    unbind: (address: string) => unlink(join(directory(address), "driver")),
    /** What the kernel and the firmware's tables say of an IOMMU. */
    setIommu(groups: number, tables: readonly string[]): void {
      for (const directory of ["kernel/iommu_groups", "firmware/acpi/tables"]) {
        rmSync(join(sysfs, directory), { recursive: true, force: true });
        mkdirSync(join(sysfs, directory), { recursive: true });
      }
      for (let group = 0; group < groups; group++) mkdirSync(join(sysfs, "kernel/iommu_groups", `${group}`));
      for (const table of tables) writeFileSync(join(sysfs, "firmware/acpi/tables", table), "");
    },
    /** Errors as the kernel counts them, by kind; the rest is 0. */
    setAer(address: string, counts: { correctable?: Counts; nonfatal?: Counts; fatal?: Counts }): void {
      const files = {
        correctable: "RxErr BadTLP BadDLLP",
        nonfatal: "Undefined DLP CmpltTO",
        fatal: "Undefined DLP TLP",
      };
      for (const severity of ["correctable", "nonfatal", "fatal"] as const) {
        const of = counts[severity] ?? {};
        const kinds = files[severity].split(" ").map((kind) => `${kind} ${of[kind] ?? 0}\n`);
        const total = Object.values(of).reduce((all, count) => all + count, 0);
        const name = { correctable: "COR", nonfatal: "NONFATAL", fatal: "FATAL" }[severity];
        write(address, `aer_dev_${severity}`, `${kinds.join("")}TOTAL_ERR_${name} ${total}\n`);
      }
    },
    /** Writes one attribute, or makes one that the kernel would not; `nvme/nvme0/model` makes what it is in. */
    setAttribute: write,
    config: (address: string) => new Uint8Array(readFileSync(join(directory(address), "config"))),
    setConfig: (address: string, bytes: Uint8Array) => write(address, "config", bytes),
    /** Listed, but gone from the link: its config space reads all ones. */
    breakAllOnes: (address: string) => write(address, "config", new Uint8Array(4096).fill(0xff)),
    /** The same card in another slot: everything of it, its serial number too, at another address. */
    move(from: string, to: string, parent?: string): void {
      const device = devices.get(from);
      if (!device) throw new Error(`no ${from} to move`);
      let driver = device.driver ?? null;
      try {
        driver =
          readlinkSync(join(directory(from), "driver"))
            .split("/")
            .pop() ?? null;
      } catch {
        driver = null;
      }
      remove(from);
      add({ ...device, address: to, parent, driver });
    },
    close: () => rmSync(sysfs, { recursive: true, force: true }),
  };
}

/** The `resource` attribute: six BARs, the expansion ROM, and the windows, each start, end, flags. */
function resource(bars: NonNullable<Device["bars"]>): string {
  const flags = { mem32: 0x40200, mem64: 0x140204, io: 0x40101 };
  const hex = (value: number) => `0x${value.toString(16).padStart(16, "0")}`;
  let start = 0x40_0000_0000;
  const lines = Array.from({ length: 13 }, () => `${hex(0)} ${hex(0)} ${hex(0)}\n`);
  for (const { index, size, type = "mem32", prefetchable = false } of bars) {
    lines[index] = `${hex(start)} ${hex(start + size - 1)} ${hex(flags[type] | (prefetchable ? 0x2000 : 0))}\n`;
    start += size;
  }
  return lines.join("");
}

/** A host of `count` functions: eight endpoints behind each root port, every fourth one a GPU. For benchmarks. */
export function syntheticHost(count: number): Tree {
  const tree = makeTree();
  const byte = (value: number) => value.toString(16).padStart(2, "0");
  let made = 0;
  for (let domain = 0; made < count; domain++) {
    const prefix = domain.toString(16).padStart(4, "0");
    // A domain has 256 buses; 32 root ports fit on its bus 0 as functions 0 of 32 devices.
    for (let port = 0; port < 31 && made < count; port++) {
      const secondary = port + 1;
      const bridge = `${prefix}:00:${byte(port)}.0`;
      tree.add({ address: bridge, vendor: "8086", device: "352a", class: "060400", secondary, driver: "pcieport" });
      made++;
      for (let index = 0; index < 8 && made < count; index++, made++) {
        const gpu = index % 4 === 0;
        tree.add({
          address: `${prefix}:${byte(secondary)}:${byte(index)}.0`,
          parent: bridge,
          vendor: gpu ? "10de" : "8086",
          device: gpu ? "2331" : "159b",
          class: gpu ? "030200" : "020000",
          revision: "a1",
          subsystem: gpu ? "10de:1626" : "8086:0001",
          driver: gpu ? "nvidia" : "ice",
          numaNode: domain % 2,
          iommuGroup: made,
          serial: `00-00-00-00-00-${byte(domain & 0xff)}-${byte(port)}-${byte(index + 1)}`,
          bars: [
            { index: 0, size: 16 * 1024 * 1024, type: "mem64", prefetchable: true },
            { index: 2, size: 4096, type: "mem32" },
          ],
        });
      }
    }
  }
  return tree;
}
