import type { PciBar, PciLink, PciSriov } from "../../contract/pci.ts";
import { ERRNO, errnoName } from "../../ffi/libc.ts";
import { capabilities, deviceSerialNumber, extendedCapabilities, pcieLink } from "../config/capabilities.ts";
import { type PciHeader, parseHeader } from "../config/header.ts";
import type { PciFunction, PciProblem, PciResponse } from "../function.ts";
import { readBars } from "./bars.ts";
import { isAsleep, type SysfsBus } from "./bus.ts";
import { SysfsConfig } from "./config.ts";
import { isAbsent } from "./reader.ts";
import { driverIn, type PciIds, parseModalias, parseUevent, subsystem, type Uevent } from "./uevent.ts";

const ALL_ONES = 0xffff_ffff;
const hex = (value: number, digits: number) => value.toString(16).padStart(digits, "0");
const pick = ({ vendor_id, device_id, class: classCode }: PciIds): PciIds => ({
  vendor_id,
  device_id,
  class: classCode,
});
const orNull = (value: number, digits: number) => (value < 0 ? null : hex(value, digits));

/** One function's directory while it is read. `close()` when done. */
export class SysfsFunction {
  readonly problems: PciProblem[] = [];
  readonly #bus: SysfsBus;
  readonly #address: string;
  readonly #directory: number;
  #asleep: boolean | null = null;
  #config: SysfsConfig | null | undefined;
  #configFd = -1;
  #configError = 0;
  #uevent: Uevent | null = null;
  #modalias: Uevent | null | undefined;

  constructor(bus: SysfsBus, address: string, directory: number) {
    this.#bus = bus;
    this.#address = address;
    this.#directory = directory;
  }

  close(): void {
    if (this.#configFd >= 0) this.#bus.reader.close(this.#configFd);
    this.#bus.reader.close(this.#directory);
  }

  /** What it is; null when neither attributes nor config space tell. */
  ids(): PciIds | null {
    if (this.#bus.live && this.#read("uevent")) {
      this.#uevent = parseUevent(this.#bus.reader.latin1());
      if (this.#uevent) return pick(this.#uevent);
    }
    const vendor = this.#number("vendor", 0xffff);
    const device = this.#number("device", 0xffff);
    const classCode = this.#number("class", 0xff_ffff);
    if (vendor >= 0 && device >= 0 && classCode >= 0) {
      return { vendor_id: hex(vendor, 4), device_id: hex(device, 4), class: hex(classCode, 6) };
    }
    // Recorded trees lack files: what is missing is in modalias, or in config space.
    const modalias = this.#readModalias();
    if (modalias) {
      return {
        vendor_id: orNull(vendor, 4) ?? modalias.vendor_id,
        device_id: orNull(device, 4) ?? modalias.device_id,
        class: orNull(classCode, 6) ?? modalias.class,
      };
    }
    const space = this.#openConfig();
    const id = space?.peek(0x00) ?? ALL_ONES;
    const classRevision = space?.peek(0x08) ?? ALL_ONES;
    if (id === ALL_ONES || classRevision === ALL_ONES) return null;
    return {
      vendor_id: orNull(vendor, 4) ?? hex(id & 0xffff, 4),
      device_id: orNull(device, 4) ?? hex(id >>> 16, 4),
      class: orNull(classCode, 6) ?? hex(classRevision >>> 8, 6),
    };
  }

  read(ids: PciIds): PciFunction {
    const address = this.#address;
    const place = this.#bus.place(address);
    const sriov = this.#sriov();
    const path =
      sriov?.pf && sriov.vf_index !== null ? `${this.#bus.place(sriov.pf).path}/vf${sriov.vf_index}` : place.path;
    const response = this.#respond();
    // The dword that it responded with has the revision too.
    const space = response === "responding" ? (this.#config ?? null) : null;
    const known = space === null ? this.#number("revision", 0xff) : space.u32(0x08) & 0xff;
    const { driver, observable } = this.#driver();
    const header = () => (space !== null && space.size >= 64 ? this.#header(space) : null);
    return {
      address,
      path,
      parent: place.parent,
      slot: this.#bus.slot(address),
      label: this.#read("label") ? this.#bus.reader.text() : null,
      ...ids,
      ...this.#subsystem(header),
      revision: orNull(known, 2),
      kernel_driver: driver,
      driverObservable: observable,
      numa_node: this.#read("numa_node") ? this.#bus.reader.decimal() : null,
      iommu_group: this.#iommuGroup(),
      ...this.#capabilities(response, space),
      sriov,
      bars: this.#bars(header),
      response,
      problems: this.problems,
    };
  }

  #note(reason: PciProblem["reason"], message: string): void {
    if (!this.problems.some((problem) => problem.reason === reason)) this.problems.push({ reason, message });
  }

  #failed(name: string, code: number): void {
    if (code === ERRNO.ENODEV || code === ERRNO.ENXIO) this.#note("Vanished", `it went away while ${name} was read`);
    else this.#note("Unreadable", `${name} cannot be read: ${errnoName(code)}`);
  }

  #read(name: string): boolean {
    const { reader } = this.#bus;
    if (reader.read(this.#directory, name)) return true;
    if (!isAbsent(reader.error)) this.#failed(name, reader.error);
    return false;
  }

  #number(name: string, max: number): number {
    if (!this.#read(name)) return -1;
    const { reader } = this.#bus;
    const value = reader.hex(max);
    if (value < 0) {
      const found = JSON.stringify(reader.bytes.toString("latin1", 0, Math.min(reader.length, 16)));
      this.#note("Unreadable", `${name} should hold a hexadecimal number up to ${max.toString(16)}, found ${found}`);
    }
    return value;
  }

  #readModalias(): Uevent | null {
    if (this.#modalias === undefined) {
      this.#modalias = this.#read("modalias") ? parseModalias(this.#bus.reader.latin1()) : null;
    }
    return this.#modalias;
  }

  #isAsleep(): boolean {
    this.#asleep ??= isAsleep(this.#bus.reader, this.#directory);
    return this.#asleep;
  }

  #openConfig(): SysfsConfig | null {
    if (this.#isAsleep()) return null;
    if (this.#config === undefined) {
      const { reader } = this.#bus;
      this.#configFd = reader.open(this.#directory, "config");
      this.#configError = reader.error;
      this.#config = this.#configFd < 0 ? null : new SysfsConfig(reader, this.#configFd);
    }
    return this.#config;
  }

  #respond(): PciResponse {
    if (this.#isAsleep()) return "asleep";
    const { reader } = this.#bus;
    const space = this.#openConfig();
    if (space === null) {
      const code = this.#configError;
      if (!isAbsent(code)) this.#failed("config", code);
      // On a host every function has a config file: without one it is a recorded tree, or the function has just left.
      else if (!reader.read(this.#directory, "class")) this.#note("Vanished", "it went away while it was read");
      return this.problems.some(({ reason }) => reason === "Vanished") ? "silent" : "unobservable";
    }
    // Class and revision: a VF's vendor and device read all ones even when it is healthy (PCIe 6.0, 9.3.4.1.1).
    const dword = space.peek(0x08);
    if (dword === null && space.error !== 0) {
      this.#failed("config", space.error);
      return "silent";
    }
    if (dword === ALL_ONES) {
      this.#note("AllOnes", "its config space reads all ones, as if nothing were there, while the kernel lists it");
      return "silent";
    }
    if (!space.extended && space.fileSize > 0 && space.fileSize < 64) {
      this.#note("ConfigTruncated", `a PCI header is 64 bytes, config has ${space.fileSize}`);
    }
    return dword === null ? "unobservable" : "responding";
  }

  #subsystem(header: () => PciHeader | null) {
    if (this.#uevent) return subsystem(this.#uevent.subsystem_vendor, this.#uevent.subsystem_device);
    const vendor = this.#number("subsystem_vendor", 0xffff);
    const device = this.#number("subsystem_device", 0xffff);
    if (vendor >= 0 && device >= 0) return subsystem(hex(vendor, 4), hex(device, 4));
    const modalias = this.#readModalias();
    if (modalias) return subsystem(modalias.subsystem_vendor, modalias.subsystem_device);
    const known = header();
    return subsystem(known?.subsystem_vendor_id, known?.subsystem_device_id);
  }

  #driver(): { driver: string | null; observable: boolean } {
    if (this.#uevent) return { driver: this.#uevent.driver, observable: true };
    const { reader } = this.#bus;
    if (reader.readLink(this.#directory, "driver")) return { driver: reader.lastComponent(), observable: true };
    if (reader.error !== ERRNO.EINVAL && !isAbsent(reader.error)) this.#failed("driver", reader.error);
    // Recorded trees without links have it here.
    if (this.#read("uevent")) return { driver: driverIn(reader.latin1()), observable: true };
    return { driver: null, observable: this.#bus.hasDrivers() };
  }

  #header(space: SysfsConfig): PciHeader | null {
    try {
      return parseHeader(space);
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      return null;
    }
  }

  #iommuGroup(): number | null {
    const { reader } = this.#bus;
    if (!reader.readLink(this.#directory, "iommu_group")) return null;
    const name = reader.lastComponent() ?? "";
    return /^\d{1,9}$/.test(name) ? Number(name) : null;
  }

  #sriov(): PciSriov | null {
    const { reader } = this.#bus;
    if (reader.readLink(this.#directory, "physfn")) {
      const pf = reader.lastComponent();
      return { total: null, enabled: null, pf, vf_index: pf === null ? null : this.#bus.vfIndex(pf, this.#address) };
    }
    const total = this.#read("sriov_totalvfs") ? reader.decimal() : null;
    if (total === null) return null;
    return { total, enabled: this.#read("sriov_numvfs") ? reader.decimal() : null, pf: null, vf_index: null };
  }

  /** Undefined where the kernel shows no link attributes: it does for every PCI Express function since 4.13. */
  #link(): PciLink | null | undefined {
    const link = {
      speed_gts: this.#speed("current_link_speed"),
      width: this.#width("current_link_width"),
      max_speed_gts: this.#speed("max_link_speed"),
      max_width: this.#width("max_link_width"),
    };
    const values = Object.values(link);
    if (values.every((value) => value === undefined)) return undefined;
    if (values.every((value) => value == null)) return null;
    return {
      speed_gts: link.speed_gts ?? null,
      width: link.width ?? null,
      max_speed_gts: link.max_speed_gts ?? null,
      max_width: link.max_width ?? null,
    };
  }

  /** `16.0 GT/s PCIe`, in older kernels `16 GT/s`; `Unknown` is null. */
  #speed(name: string): number | null | undefined {
    if (!this.#read(name)) return undefined;
    const { reader } = this.#bus;
    const speed = Number.parseFloat(reader.latin1());
    return speed > 0 && speed < 1000 ? speed : null;
  }

  /** Lanes; 0 is no link and 255 the kernel's "unknown". */
  #width(name: string): number | null | undefined {
    if (!this.#read(name)) return undefined;
    const width = this.#bus.reader.decimal();
    return width !== null && width > 0 && width <= 32 ? width : null;
  }

  /**
   * The link and the serial number. With all of config space the link's two registers are next to what a serial number
   * needs anyway; the four attributes would have the kernel read five. Otherwise the attributes, then what config has.
   */
  #capabilities(response: PciResponse, space: SysfsConfig | null): Pick<PciFunction, "link" | "serials"> {
    const none = { link: null, serials: [] };
    if (response === "asleep" || response === "silent") return none;
    if (space === null || !space.extended) {
      const link = this.#link();
      // The kernel shows link attributes for every PCI Express function: without them it is none, and is not asked.
      if (link !== undefined || space === null || this.#bus.live || space.size <= 64) {
        return { ...none, link: link ?? null };
      }
    }
    try {
      const list = capabilities(space);
      const extended = extendedCapabilities(space, list);
      const serial = deviceSerialNumber(space, extended);
      const link = pcieLink(space, list) ?? (space.extended ? this.#link() : null);
      const bad = list.bad ?? extended.bad;
      if (bad) this.#note("BadCapabilities", bad);
      return { link: link ?? null, serials: serial ? [{ kind: "dsn", value: serial }] : [] };
    } catch (error) {
      // A dword that the file's size promised did not come.
      if (!(error instanceof RangeError)) throw error;
      if (space.error !== 0) this.#failed("config", space.error);
      else this.#note("ConfigTruncated", error.message);
      return none;
    }
  }

  #bars(header: () => PciHeader | null): PciBar[] {
    const { reader } = this.#bus;
    return this.#read("resource") ? readBars(reader.bytes, reader.length) : (header()?.bars ?? []);
  }
}
