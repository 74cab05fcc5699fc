import type { PciLink } from "../../../contract/pci.ts";
import { capabilities, pcieLink } from "../../config/capabilities.ts";
import type { IommuState } from "../../function.ts";
import type { SysfsBus } from "../bus.ts";
import { RecordedConfig } from "../config.ts";
import { SysfsEntry } from "../entry.ts";
import { linkAttributes, linkLimits } from "../link.ts";
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
  /** Functions whose lock is held. */
  busy: ReadonlySet<string> | undefined;
  onLocked: ((locked: boolean) => void) | undefined;
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
  #current = "";
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

  /**
   * An attribute that the kernel reads under the device's lock (driver_override, sriov_numvfs), which a driver's probe
   * and the making of VFs hold for seconds; false as where there is none, for a function that is at that.
   */
  locked(entry: SysfsEntry, name: string): boolean {
    const { busy, onLocked } = this.#options;
    if (busy?.has(entry.address)) return false;
    onLocked?.(true);
    const read = entry.read(name);
    onLocked?.(false);
    return read;
  }

  /** Begins with a function: what follows is read for it. */
  enter(address: string): void {
    this.#current = address;
    this.#options.onFunction?.(address);
  }

  /** The port at `address`. One that sleeps, or that must not be touched, tells nothing of its link. */
  port(address: string): Port {
    let port = this.#ports.get(address);
    if (port === undefined) {
      port = new AskedPort(this.#bus.place(address).parent, (read) => this.#ask(address, read));
      this.#ports.set(address, port);
    }
    return port;
  }

  /** A port that was read as a function of its own: what it told need not be asked for again. */
  knowPort(address: string, parent: string | null, link: PciLink | null): void {
    this.#ports.set(address, { parent, link, can: link });
  }

  #ask<T>(address: string, read: (entry: SysfsEntry) => T | undefined): T | PciLink | null {
    const { reader, devices, live } = this.#bus;
    const directory = this.#options.skip?.has(address) ? -1 : reader.openEntry(devices, address);
    if (directory < 0) return null;
    // Should it hang, it is the port that hangs, and not the function below it.
    this.#options.onFunction?.(address);
    const entry = new SysfsEntry(reader, address, directory);
    try {
      if (entry.asleep) return null;
      const told = read(entry);
      if (told !== undefined || live) return told ?? null;
      // A recorded tree without the attributes can have the registers.
      const fd = reader.open(directory, "config");
      if (fd < 0) return null;
      const space = new RecordedConfig(reader, fd, directory);
      reader.close(fd);
      return space.extended ? pcieLink(space, capabilities(space)) : null;
    } finally {
      entry.close();
      this.#options.onFunction?.(this.#current);
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

/** A port that is asked when its link matters: of most only what they can. */
class AskedPort implements Port {
  readonly parent: string | null;
  readonly #ask: <T>(read: (entry: SysfsEntry) => T | undefined) => T | PciLink | null;
  #can: Port["can"] | undefined;
  #link: PciLink | null | undefined;

  constructor(parent: string | null, ask: <T>(read: (entry: SysfsEntry) => T | undefined) => T | PciLink | null) {
    this.parent = parent;
    this.#ask = ask;
  }

  get can(): Port["can"] {
    if (this.#can === undefined) this.#can = this.#ask(linkLimits);
    return this.#can;
  }

  get link(): PciLink | null {
    if (this.#link === undefined) this.#link = this.#ask((entry) => linkAttributes(entry) ?? undefined);
    return this.#link;
  }
}
