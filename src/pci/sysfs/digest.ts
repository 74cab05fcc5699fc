import { SysfsBus } from "./bus.ts";
import { SysfsReader } from "./reader.ts";

export interface DigestOptions {
  sysfs: string;
  /** Addresses that are not touched at all; they never count as changed. */
  skip?: ReadonlySet<string>;
  /** Functions whose lock is held, as in `ScanOptions`. */
  busy?: ReadonlySet<string>;
  onLocked?: (locked: boolean) => void;
  /** Called with the address before anything of a function is read. */
  onFunction?: (address: string) => void;
}

/**
 * Which functions look different from outside than `before`: came, went, were bound or unbound, became others, or have
 * another number of VFs. Null without a `before`. No config space is touched and nothing is woken: two small files and
 * a link for each function. Throws SysfsError when the bus can't be read.
 */
export function changesSince(
  before: ReadonlyMap<string, string> | null,
  { sysfs, skip, busy, onFunction, onLocked }: DigestOptions,
): { now: Map<string, string>; changed: string[] | null } {
  const reader = new SysfsReader();
  const bus = new SysfsBus(reader, sysfs);
  const now = new Map<string, string>();
  const changed: string[] = [];
  try {
    for (const address of bus.addresses) {
      const known = before?.get(address);
      let looks = known ?? "";
      if (!skip?.has(address)) {
        onFunction?.(address);
        looks = fromOutside(bus, address, busy?.has(address) ? null : onLocked);
      }
      now.set(address, looks);
      if (looks !== known) changed.push(address);
    }
  } finally {
    bus.close();
  }
  if (before === null) return { now, changed: null };
  for (const address of before.keys()) if (!now.has(address)) changed.push(address);
  return { now, changed };
}

function fromOutside(
  { reader, devices }: SysfsBus,
  address: string,
  onLocked: DigestOptions["onLocked"] | null,
): string {
  const directory = reader.openEntry(devices, address);
  if (directory < 0) return "";
  try {
    const uevent = reader.read(directory, "uevent") ? reader.latin1() : "";
    // The kernel's uevent names the driver, too; one of a recorded tree may be older than its link.
    const driver = reader.readLink(directory, "driver") ? reader.latin1() : "";
    if (onLocked === null) return `${uevent}\n${driver}`;
    onLocked?.(true);
    const vfs = reader.read(directory, "sriov_numvfs") ? reader.latin1() : "";
    onLocked?.(false);
    return `${uevent}\n${driver}\n${vfs}`;
  } finally {
    reader.close(directory);
  }
}
