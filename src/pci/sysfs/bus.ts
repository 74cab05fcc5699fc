import { ERRNO } from "../../ffi/libc.ts";
import { HEADER_BYTES } from "../config/header.ts";
import { type PartialConfig, SysfsConfig } from "./config.ts";
import { isAsleep } from "./entry.ts";
import { isAbsent, SysfsError, type SysfsReader } from "./reader.ts";
import { alone, type Bridge, byAddress, isAddress, type Place, placeByBridges, placeByLink } from "./topology.ts";

/** Class of a PCI-to-PCI bridge without its programming interface (PCI Code and ID Assignment 1.11, 1.7). */
const BRIDGE_CLASS = 0x0604;
/** A PF has at most this many VFs: TotalVFs is 16 bits wide (PCIe 6.0, 9.3.3.6). */
const MAX_VFS = 0xffff;

/** `bus/pci` below a sysfs root: what a function can't say about itself. Reads each fact when it is first asked for. */
export class SysfsBus {
  readonly reader: SysfsReader;
  /** The open directory bus/pci/devices; -1 on a host without PCI. */
  readonly devices: number;
  /** The kernel itself answers: its attributes agree with each other. In a recorded tree they can be of different ages. */
  readonly live: boolean;
  /** Entries of the bus that are addresses, sorted; and those that are not. */
  readonly addresses: string[] = [];
  readonly badNames: string[] = [];
  readonly #path: string;
  readonly #vfs = new Map<string, Map<string, number>>();
  #slots: Map<string, string> | null = null;
  #byBridges: ((address: string) => Place) | null = null;
  #hasDrivers: boolean | null = null;
  #privileged = false;
  readonly #busPlaces = new Map<string, Place>();

  /** Throws SysfsError when the bus is there and can't be read, or when `sysfs` is no sysfs. */
  constructor(reader: SysfsReader, sysfs: string) {
    this.reader = reader;
    this.#path = `${sysfs}/bus/pci`;
    this.devices = reader.openRoot(`${this.#path}/devices`);
    if (this.devices < 0) {
      const { error } = reader;
      // A machine without PCI has a sysfs with other buses: it has no functions, and that is an answer.
      const bus = error === ERRNO.ENOENT ? reader.openRoot(`${sysfs}/bus`) : -1;
      if (bus < 0) throw new SysfsError(`${this.#path}/devices cannot be opened`, error);
      reader.close(bus);
      this.live = false;
      return;
    }
    this.live = reader.isSysfs(this.devices);
    try {
      for (const name of reader.list(this.devices, `${this.#path}/devices cannot be listed`)) {
        (isAddress(name) ? this.addresses : this.badNames).push(name);
      }
    } catch (error) {
      this.close();
      throw error;
    }
    this.addresses.sort(byAddress);
    this.badNames.sort();
  }

  close(): void {
    if (this.devices >= 0) this.reader.close(this.devices);
  }

  /** Where a function sits: by its entry's link on a host, by the bridges in a recorded tree of directories. */
  place(address: string): Place {
    const { reader } = this;
    if (reader.readEntryLink(this.devices, address)) {
      const place = this.#placeByLink(address, reader.latin1());
      if (place) return place;
    } else if (reader.error !== ERRNO.EINVAL) {
      return alone(address);
    }
    this.#byBridges ??= placeByBridges(this.#bridges());
    return this.#byBridges(address);
  }

  /** Functions on one bus have all of the way in common but themselves: it is parsed once. */
  #placeByLink(address: string, target: string): Place | null {
    const end = target.lastIndexOf("/") + 1;
    const above = target.slice(0, end);
    const known = this.#busPlaces.get(above);
    if (known && target.slice(end) === address) {
      return { path: known.path + address.slice(address.lastIndexOf(":") + 1), parent: known.parent };
    }
    const place = placeByLink(address, target);
    // A way without a root or a bridge is not the bus's: the function's own address decided.
    if (place && /[/]pci[0-9a-f]{4,8}:[0-9a-f]{2}[/]/.test(above)) {
      const path = place.path.slice(0, place.path.lastIndexOf("/") + 1);
      this.#busPlaces.set(above, { path, parent: place.parent });
    }
    return place;
  }

  /** True where the kernel keeps config space from this process. What it shows of one function it shows of all. */
  isWithheld(space: PartialConfig): boolean {
    if (this.#privileged) return false;
    const withheld = space.withheld;
    this.#privileged = !withheld && space.fileSize > HEADER_BYTES;
    return withheld;
  }

  /** The number of the VF `address` under its PF, from the PF's virtfnN links; null when they don't name it. */
  vfIndex(pf: string, address: string): number | null {
    return this.#vfsOf(pf).get(address) ?? null;
  }

  /** How many VFs of a PF are there, by its links to them; null without any, which a recorded tree need not have. */
  vfCount(pf: string): number | null {
    return this.#vfsOf(pf).size || null;
  }

  #vfsOf(pf: string): Map<string, number> {
    const known = this.#vfs.get(pf);
    if (known) return known;
    const vfs = this.#virtualFunctions(pf);
    this.#vfs.set(pf, vfs);
    return vfs;
  }

  /** The physical slot that holds the function. */
  slot(address: string): string | null {
    this.#slots ??= this.#readSlots();
    if (this.#slots.size === 0) return null;
    return this.#slots.get(address.slice(0, address.lastIndexOf("."))) ?? null;
  }

  /** True where a missing driver link means that no driver is bound: the tree knows drivers at all. */
  hasDrivers(): boolean {
    if (this.#hasDrivers === null) {
      const fd = this.reader.openRoot(`${this.#path}/drivers`);
      this.#hasDrivers = fd >= 0;
      if (fd >= 0) this.reader.close(fd);
    }
    return this.#hasDrivers;
  }

  #virtualFunctions(pf: string): Map<string, number> {
    const { reader } = this;
    const vfs = new Map<string, number>();
    const directory = isAddress(pf) ? reader.openEntry(this.devices, pf) : -1;
    if (directory < 0) return vfs;
    for (let index = 0; index < MAX_VFS && reader.readEntryLink(directory, `virtfn${index}`); index++) {
      const vf = reader.lastComponent();
      if (vf !== null && !vfs.has(vf)) vfs.set(vf, index);
    }
    reader.close(directory);
    return vfs;
  }

  #readSlots(): Map<string, string> {
    const { reader } = this;
    const slots = new Map<string, string>();
    const root = reader.openRoot(`${this.#path}/slots`);
    if (root < 0) return slots;
    try {
      for (const name of reader.list(root, "slots").sort()) {
        const slot = reader.openEntry(root, name);
        if (slot < 0) continue;
        // `0000:18:00`: a slot holds all functions of a device.
        const address = reader.read(slot, "address") ? reader.text() : null;
        reader.close(slot);
        if (address !== null && !slots.has(address)) slots.set(address, Buffer.from(name, "latin1").toString("utf8"));
      }
    } catch (error) {
      // Without the list no slot is known: a convenience lost, not a function.
      if (!(error instanceof SysfsError)) throw error;
    } finally {
      reader.close(root);
    }
    return slots;
  }

  #bridges(): Bridge[] {
    const bridges: Bridge[] = [];
    for (const address of this.addresses) {
      const directory = this.reader.openEntry(this.devices, address);
      if (directory < 0) continue;
      const secondary = this.#secondaryBus(directory);
      if (secondary !== null) bridges.push({ address, secondary });
      this.reader.close(directory);
    }
    return bridges;
  }

  #secondaryBus(directory: number): number | null {
    const { reader } = this;
    if (!reader.read(directory, "class") || reader.hex(0xff_ffff) >>> 8 !== BRIDGE_CLASS) return null;
    // A sleeping bridge's bus numbers would wake it.
    if (isAsleep(reader, directory)) return null;
    if (reader.read(directory, "secondary_bus_number")) {
      const number = reader.decimal();
      return number !== null && number <= 0xff ? number : null;
    }
    const fd = isAbsent(reader.error) ? reader.open(directory, "config") : -1;
    if (fd < 0) return null;
    const numbers = new SysfsConfig(reader, fd).peek(0x18);
    reader.close(fd);
    return numbers === null ? null : (numbers >>> 8) & 0xff;
  }
}
