import type { PciBar, PciLink, PciSriov } from "../../contract/pci.ts";
import { ERRNO } from "../../ffi/libc.ts";
import { capabilities, deviceSerialNumber, extendedCapabilities, pcieLink } from "../config/capabilities.ts";
import { type PciHeader, parseHeader } from "../config/header.ts";
import type { PciFunction, PciHop, PciResponse } from "../function.ts";
import { readBars } from "./bars.ts";
import type { SysfsBus } from "./bus.ts";
import { type PartialConfig, RecordedConfig, SysfsConfig } from "./config.ts";
import { SysfsEntry } from "./entry.ts";
import { readAer } from "./facts/aer.ts";
import { hopsOf } from "./facts/hops.ts";
import type { SysfsHost } from "./facts/host.ts";
import { linkAttributes } from "./link.ts";
import { isAbsent } from "./reader.ts";
import { driverIn, type PciIds, parseModalias, parseUevent, subsystem, type Uevent } from "./uevent.ts";

const ALL_ONES = 0xffff_ffff;
const hex = (value: number, digits: number) => value.toString(16).padStart(digits, "0");
const orNull = (value: number, digits: number) => (value < 0 ? null : hex(value, digits));

/** One function: its ids first, which cost little, and then the rest. `close()` when done. */
export class SysfsFunction {
  readonly entry: SysfsEntry;
  readonly #bus: SysfsBus;
  readonly #host: SysfsHost;
  #config: PartialConfig | null | undefined;
  #configFd = -1;
  #configError = 0;
  #uevent: Uevent | null = null;
  #modalias: Uevent | null | undefined;
  #pf: string | null | undefined;

  constructor(bus: SysfsBus, host: SysfsHost, address: string, directory: number) {
    this.#bus = bus;
    this.#host = host;
    this.entry = new SysfsEntry(bus.reader, address, directory);
  }

  close(): void {
    if (this.#configFd >= 0) this.#bus.reader.close(this.#configFd);
    this.entry.close();
  }

  /** What it is; null when neither attributes nor config space tell. */
  ids(): PciIds | null {
    const { entry } = this;
    // One read tells what six attributes do. The kernel's agree with each other; a recorded tree made by hand has been
    // seen with another function's uevent.
    this.#uevent = this.#bus.live && entry.read("uevent") ? parseUevent(entry.reader.latin1()) : null;
    if (this.#uevent) return this.#uevent.ids;
    const vendor = entry.number("vendor", 0xffff);
    const device = entry.number("device", 0xffff);
    const classCode = entry.number("class", 0xff_ffff);
    if (vendor >= 0 && device >= 0 && classCode >= 0) {
      return { vendor_id: hex(vendor, 4), device_id: hex(device, 4), class: hex(classCode, 6) };
    }
    // Recorded trees lack files: what is missing is in modalias, or in config space.
    const other = this.#readModalias()?.ids ?? this.#configIds();
    if (!other) return null;
    return {
      vendor_id: orNull(vendor, 4) ?? other.vendor_id,
      device_id: orNull(device, 4) ?? other.device_id,
      class: orNull(classCode, 6) ?? other.class,
    };
  }

  /** The address of its PF; null for what is no VF. */
  pf(): string | null {
    if (this.#pf === undefined) {
      const { reader, directory } = this.entry;
      this.#pf = reader.readLink(directory, "physfn") ? reader.lastComponent() : null;
    }
    return this.#pf;
  }

  read(ids: PciIds, pfIds: PciIds | null): PciFunction {
    const { entry } = this;
    const { address, reader } = entry;
    const place = this.#bus.place(address);
    const sriov = this.#sriov();
    const path =
      sriov?.pf && sriov.vf_index !== null ? `${this.#bus.place(sriov.pf).path}/vf${sriov.vf_index}` : place.path;
    const response = this.#respond();
    const space = response === "responding" ? (this.#config ?? null) : null;
    // The dword that it responded with has the revision too.
    const revision = space === null ? entry.number("revision", 0xff) : space.u32(0x08) & 0xff;
    const { driver, observable } = this.#driver();
    const subsystemIds = this.#subsystem(space);
    const { link, serials, linkTold } = this.#capabilities(response, space);
    const bars = this.#bars(space);
    const facts = this.#host.facts(entry, ids, response === "asleep" || response === "silent" ? null : driver);
    // What is bound is bound; where nothing is, this can be why.
    const override = driver === null && this.#host.locked(entry, "driver_override") ? reader.text() : null;
    return {
      address,
      path,
      parent: place.parent,
      slot: this.#bus.slot(address),
      label: entry.read("label") ? reader.text() : null,
      vendor_id: ids.vendor_id,
      device_id: ids.device_id,
      class: ids.class,
      subsystem_vendor_id: subsystemIds.subsystem_vendor_id,
      subsystem_device_id: subsystemIds.subsystem_device_id,
      revision: orNull(revision, 2),
      kernel_driver: driver,
      driverObservable: observable,
      numa_node: entry.read("numa_node") ? reader.decimal() : null,
      iommu_group: this.#iommuGroup(),
      link,
      serials: facts.serials.length > 0 ? [...serials, ...facts.serials] : serials,
      // This may read other functions' config space into the place of this one's, which has been used by now.
      hops: this.#hops(ids, link, linkTold, place.parent),
      aer: readAer(entry),
      // Clear, the kernel prints the null pointer.
      driver_override: override === "(null)" ? null : override,
      iommu: this.#host.iommu(),
      attributes: facts.attributes,
      algorithms: this.#host.algorithms(driver, ids),
      sriov,
      pf_ids: pfIds,
      bars,
      response,
      problems: entry.problems,
    };
  }

  /** The links on its way up. A VF's is its PF's; of a bridge's link the functions below it tell. */
  #hops(ids: PciIds, link: PciLink | null, told: boolean, parent: string | null): PciHop[] | null {
    if (ids.class.startsWith("0604")) this.#host.knowPort(this.entry.address, parent, link);
    if (this.pf() !== null || ids.class.startsWith("0604")) return [];
    if (link === null) return told ? [] : null;
    return hopsOf(this.entry.address, link, parent, (address) => this.#host.port(address));
  }

  #readModalias(): Uevent | null {
    if (this.#modalias === undefined) {
      this.#modalias = this.entry.read("modalias") ? parseModalias(this.entry.reader.latin1()) : null;
    }
    return this.#modalias;
  }

  #configIds(): PciIds | null {
    const space = this.#openConfig();
    const id = space?.peek(0x00) ?? ALL_ONES;
    const classRevision = space?.peek(0x08) ?? ALL_ONES;
    if (id === ALL_ONES || classRevision === ALL_ONES) return null;
    return { vendor_id: hex(id & 0xffff, 4), device_id: hex(id >>> 16, 4), class: hex(classRevision >>> 8, 6) };
  }

  #openConfig(): PartialConfig | null {
    if (this.entry.asleep) return null;
    if (this.#config === undefined) {
      const { reader, live } = this.#bus;
      this.#configFd = reader.open(this.entry.directory, "config");
      this.#configError = reader.error;
      if (this.#configFd < 0) this.#config = null;
      else
        this.#config = live
          ? new SysfsConfig(reader, this.#configFd)
          : new RecordedConfig(reader, this.#configFd, this.entry.directory);
    }
    return this.#config;
  }

  #respond(): PciResponse {
    const { entry } = this;
    if (entry.asleep) return "asleep";
    const space = this.#openConfig();
    if (space === null) {
      const code = this.#configError;
      if (!isAbsent(code)) entry.failed("config", code);
      // On a host every function has a config file: without one it is a recorded tree, or the function has just left.
      else if (!entry.reader.read(entry.directory, "class")) entry.note("Vanished", "it went away while it was read");
      return entry.problems.some(({ reason }) => reason === "Vanished") ? "silent" : "unobservable";
    }
    // Class and revision: a VF's vendor and device read all ones even when it is healthy (PCIe 6.0, 9.3.4.1.1).
    const dword = space.peek(0x08);
    if (dword === null && space.error !== 0) {
      entry.failed("config", space.error);
      return "silent";
    }
    if (dword === ALL_ONES) {
      entry.note("AllOnes", "its config space reads all ones, as if nothing were there, while the kernel lists it");
      return "silent";
    }
    if (!space.extended && space.fileSize > 0 && space.fileSize < 64) {
      entry.note("ConfigTruncated", `a PCI header is 64 bytes, config has ${space.fileSize}`);
    }
    if (dword === null) return "unobservable";
    if (this.#bus.isWithheld(space)) {
      const lost = space.fileSize > 0x100 ? "its serial number" : "its capability list";
      const shown = `the kernel shows this user only the first of the ${space.fileSize} bytes of its config space`;
      entry.note("Unprivileged", `${shown}: ${lost} could not be read`);
    }
    return "responding";
  }

  #subsystem(space: PartialConfig | null) {
    const told = this.#uevent?.subsystem;
    if (told) return subsystem(told.vendor, told.device);
    // A recorded config is in memory by now, and with an endpoint it is where the kernel has it from (PCI 3.0, 6.2.4).
    const endpoint = !this.#bus.live && space !== null && space.size >= 64 && ((space.u32(0x0c) >>> 16) & 0x7f) === 0;
    const dword = endpoint ? space.u32(0x2c) : 0;
    if (dword !== 0 && dword !== ALL_ONES) return subsystem(hex(dword & 0xffff, 4), hex(dword >>> 16, 4));
    const vendor = this.entry.number("subsystem_vendor", 0xffff);
    const device = this.entry.number("subsystem_device", 0xffff);
    if (vendor >= 0 && device >= 0) return subsystem(hex(vendor, 4), hex(device, 4));
    const alias = this.#readModalias()?.subsystem;
    if (alias) return subsystem(alias.vendor, alias.device);
    const known = this.#header(space);
    return subsystem(known?.subsystem_vendor_id, known?.subsystem_device_id);
  }

  #driver(): { driver: string | null; observable: boolean } {
    const { entry } = this;
    const { reader } = entry;
    if (this.#uevent) return { driver: this.#uevent.driver, observable: true };
    if (reader.readLink(entry.directory, "driver")) return { driver: reader.lastComponent(), observable: true };
    if (reader.error !== ERRNO.EINVAL && !isAbsent(reader.error)) entry.failed("driver", reader.error);
    // Recorded trees without links have it here.
    if (entry.read("uevent")) return { driver: driverIn(reader.latin1()), observable: true };
    return { driver: null, observable: this.#bus.hasDrivers() };
  }

  #header(space: PartialConfig | null): PciHeader | null {
    if (space === null || space.size < 64) return null;
    try {
      return parseHeader(space);
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      return null;
    }
  }

  #iommuGroup(): number | null {
    const { reader, directory } = this.entry;
    if (!reader.readLink(directory, "iommu_group")) return null;
    const name = reader.lastComponent() ?? "";
    return /^\d{1,9}$/.test(name) ? Number(name) : null;
  }

  /** VF counts of a PF, the PF of a VF, null for anything else. */
  #sriov(): PciSriov | null {
    const { entry } = this;
    const { reader } = entry;
    const pf = this.pf();
    if (pf !== null) return { total: null, enabled: null, pf, vf_index: this.#bus.vfIndex(pf, entry.address) };
    const total = entry.read("sriov_totalvfs") ? reader.decimal() : null;
    if (total === null) return null;
    // While they are made, those that are there count.
    const enabled = this.#host.locked(entry, "sriov_numvfs") ? reader.decimal() : this.#bus.vfCount(entry.address);
    return { total, enabled, pf: null, vf_index: null };
  }

  /**
   * The link and the serial number. With all of config space the link's two registers are next to what a serial number
   * needs anyway; the four attributes would have the kernel read five. Otherwise the attributes, then what config has.
   */
  #capabilities(
    response: PciResponse,
    space: PartialConfig | null,
  ): Pick<PciFunction, "link" | "serials"> & { linkTold: boolean } {
    const { entry } = this;
    const none = { link: null, serials: [], linkTold: false };
    if (response === "asleep" || response === "silent") return none;
    if (space === null || !space.extended) {
      const link = linkAttributes(entry);
      // The kernel shows link attributes for every PCI Express function: without them it is none, and is not asked.
      if (link !== undefined || space === null || this.#bus.live || space.size <= 64) {
        const linkTold = link !== undefined || this.#bus.live || (space?.withheld ?? false);
        return { link: link ?? null, serials: [], linkTold };
      }
    }
    try {
      const list = capabilities(space);
      const extended = extendedCapabilities(space, list);
      const serial = deviceSerialNumber(space, extended);
      const link = pcieLink(space, list) ?? (space.extended ? linkAttributes(entry) : null);
      const bad = list.bad ?? extended.bad;
      if (bad) entry.note("BadCapabilities", bad);
      const linkTold = link != null || (list.bad === null && !list.truncated);
      return { link: link ?? null, serials: serial ? [{ kind: "dsn", value: serial }] : [], linkTold };
    } catch (error) {
      // A dword that the file's size promised did not come.
      if (!(error instanceof RangeError)) throw error;
      if (space.error !== 0) entry.failed("config", space.error);
      else entry.note("ConfigTruncated", error.message);
      return none;
    }
  }

  #bars(space: PartialConfig | null): PciBar[] {
    const { reader } = this.entry;
    return this.entry.read("resource") ? readBars(reader.bytes, reader.length) : (this.#header(space)?.bars ?? []);
  }
}
