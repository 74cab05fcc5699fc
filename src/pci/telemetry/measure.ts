import type { Measurement } from "../../contract/device/telemetry.ts";
import { isAsleep, SysfsEntry } from "../sysfs/entry.ts";
import { AER_FILES, parseAer } from "../sysfs/facts/aer.ts";
import { childrenOf, inChild, netdevsOf, textOf } from "../sysfs/facts/attributes.ts";
import { linkAttributes } from "../sysfs/link.ts";
import { isAbsent, SysfsError, SysfsReader } from "../sysfs/reader.ts";
import { integer, readSensors } from "./sensors.ts";

/** Counters of a network interface (Documentation/ABI/testing/sysfs-class-net-statistics), by their measurement. */
const NET: Readonly<Record<string, string>> = {
  rx_bytes: "net_receive_bytes_total",
  tx_bytes: "net_transmit_bytes_total",
  rx_errors: "net_receive_errors_total",
  tx_errors: "net_transmit_errors_total",
  rx_dropped: "net_receive_drops_total",
  tx_dropped: "net_transmit_drops_total",
};

/**
 * What can be measured of the function at `address` now: link, errors, sensors, interfaces; in GT/s, lanes, degrees
 * Celsius, watts, rpm, bytes. Blocks while it reads. A function in runtime suspend is not woken: then it is what the
 * kernel has in memory. Null where there is no such function. Throws SysfsError where the bus can't be read.
 */
export function readTelemetry({ sysfs, address }: { sysfs: string; address: string }): Measurement[] | null {
  const reader = new SysfsReader();
  const devices = reader.openRoot(`${sysfs}/bus/pci/devices`);
  if (devices < 0) throw new SysfsError(`${sysfs}/bus/pci/devices cannot be opened`, reader.error);
  const directory = reader.openEntry(devices, address);
  const why = reader.error;
  reader.close(devices);
  if (directory < 0) {
    if (isAbsent(why)) return null;
    throw new SysfsError(`${address} cannot be opened`, why);
  }
  try {
    return measure(reader, address, directory);
  } finally {
    reader.close(directory);
  }
}

function measure(reader: SysfsReader, address: string, directory: number): Measurement[] {
  const measured: Measurement[] = [];
  const add = (name: string, value: number | null | undefined, labels: Measurement["labels"] = {}) => {
    if (value != null) measured.push({ name, labels, value });
  };
  const asleep = isAsleep(reader, directory);
  add("runtime_suspended", asleep ? 1 : 0);
  for (const severity of ["correctable", "nonfatal", "fatal"] as const) {
    if (!reader.read(directory, AER_FILES[severity])) break;
    for (const [kind, count] of parseAer(reader.latin1())) add("aer_errors_total", count, { severity, kind });
  }
  if (asleep) return measured;
  const link = linkAttributes(new SysfsEntry(reader, address, directory));
  add("link_speed_gts", link?.speed_gts);
  add("link_width_lanes", link?.width);
  const kernel_driver = reader.readLink(directory, "driver") ? reader.lastComponent() : null;
  for (const path of netdevsOf({ reader, directory, kernel_driver })) {
    inChild(reader, directory, `${path}/statistics`, (inside) => {
      for (const [file, name] of Object.entries(NET)) {
        add(name, integer(textOf(reader, inside, file)), { interface: path.slice(path.lastIndexOf("/") + 1) });
      }
    });
  }
  // A driver's sensors are a child of the function, or of what it made of it: an NVMe controller.
  const controllers = childrenOf(reader, directory, "nvme").map((name) => `nvme/${name}`);
  for (const above of ["hwmon", ...controllers]) {
    for (const chip of childrenOf(reader, directory, above).filter((name) => /^hwmon\d{1,5}$/.test(name))) {
      measured.push(...readSensors(reader, directory, `${above}/${chip}`));
    }
  }
  return measured;
}
