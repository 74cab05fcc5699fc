import { capabilities, pcieLink } from "../../config/capabilities.ts";
import type { IommuState } from "../../function.ts";
import type { SysfsBus } from "../bus.ts";
import { RecordedConfig } from "../config.ts";
import { SysfsEntry } from "../entry.ts";
import { linkAttributes } from "../link.ts";
import type { PciIds } from "../uevent.ts";
import { type ClassFacts, classFacts, textOf } from "./attributes.ts";
import { cryptoModule, parseCrypto } from "./crypto.ts";
import type { Port } from "./hops.ts";
import { readIommu } from "./iommu.ts";

export interface HostOptions {
  sysfs: string;
  /** Where procfs is; the host's own for a real sysfs, none for a recorded tree. */
  proc: string | undefined;
  /** Functions that are not touched. */
  skip: ReadonlySet<string> | undefined;
  /** Called before anything of a function is read. */
  onFunction: ((address: string) => void) | undefined;
}

/** /proc/crypto has some 200 bytes for each algorithm. */
const LONGEST = 1024 * 1024;

/** What functions of one host have in common. Each fact is read when it is first asked for, and once. */
export class SysfsHost {
  readonly #bus: SysfsBus;
  readonly #options: HostOptions;
  readonly #proc: string | null;
  readonly #ports = new Map<string, Port>();
  readonly #versions = new Map<string, string | null>();
  #iommu: IommuState | null | undefined;
  #algorithms: Map<string, string[]> | null = null;

  constructor(bus: SysfsBus, options: HostOptions) {
    this.#bus = bus;
    this.#options = options;
    this.#proc = options.proc ?? (bus.live ? "/proc" : null);
  }

  iommu(): IommuState | null {
    if (this.#iommu === undefined) {
      this.#iommu = readIommu(this.#bus.reader, this.#options.sysfs, () => this.#procFile("cmdline"));
    }
    return this.#iommu;
  }

  /** What the kernel driver of an awake function says of itself and, in its class directories, of the function. */
  facts(entry: SysfsEntry, ids: PciIds, driver: string | null): ClassFacts {
    const { reader, directory } = entry;
    const facts = classFacts({ reader, directory, kernel_driver: driver }, ids.class);
    const version = driver === null ? null : this.#driverVersion(entry, driver);
    if (version !== null) facts.attributes.kernel_driver_version = version;
    return facts;
  }

  /** The version of a module that holds the driver of a function; null where it has none, as most in the kernel's tree. */
  #driverVersion(entry: SysfsEntry, driver: string): string | null {
    let version = this.#versions.get(driver);
    if (version === undefined) {
      version = textOf(entry.reader, entry.directory, "driver/module/version");
      this.#versions.set(driver, version);
    }
    return version;
  }

  /** The algorithms that the kernel offers by this function's driver; null where none is known to offer any. */
  algorithms(driver: string | null, ids: PciIds): string[] | null {
    const module = cryptoModule(driver, ids.vendor_id, ids.device_id);
    if (module === null || this.#proc === null) return null;
    this.#algorithms ??= parseCrypto(this.#procFile("crypto") ?? "");
    return this.#algorithms.get(module) ?? [];
  }

  /** The port at `address`, on the way to the function `below`. One that sleeps, or that must not be touched, shows no link. */
  port(address: string, below: string): Port {
    const known = this.#ports.get(address);
    if (known) return known;
    this.#options.onFunction?.(address);
    const port = { link: this.#linkOf(address), parent: this.#bus.place(address).parent };
    this.#options.onFunction?.(below);
    this.#ports.set(address, port);
    return port;
  }

  #linkOf(address: string): Port["link"] {
    const { reader, devices, live } = this.#bus;
    const directory = this.#options.skip?.has(address) ? -1 : reader.openEntry(devices, address);
    if (directory < 0) return null;
    const entry = new SysfsEntry(reader, address, directory);
    try {
      if (entry.asleep) return null;
      const link = linkAttributes(entry);
      if (link !== undefined || live) return link ?? null;
      // A recorded tree without the attributes can have the registers.
      const fd = reader.open(directory, "config");
      if (fd < 0) return null;
      const space = new RecordedConfig(reader, fd, directory);
      reader.close(fd);
      return space.extended ? pcieLink(space, capabilities(space)) : null;
    } finally {
      entry.close();
    }
  }

  #procFile(name: string): string | null {
    const { reader } = this.#bus;
    const proc = this.#proc === null ? -1 : reader.openRoot(this.#proc);
    if (proc < 0) return null;
    const fd = reader.open(proc, name);
    reader.close(proc);
    if (fd < 0) return null;
    const text = reader.all(fd, LONGEST);
    reader.close(fd);
    return text;
  }
}
