import type { PciLink } from "../../contract/pci.ts";
import type { SysfsEntry } from "./entry.ts";

/** The link by its four attributes; undefined where there is none of them, null where they know of no link. */
export function linkAttributes(entry: SysfsEntry): PciLink | null | undefined {
  const current = speed(entry, "current_link_speed");
  const width = lanes(entry, "current_link_width");
  const max = speed(entry, "max_link_speed");
  const most = lanes(entry, "max_link_width");
  if (current === undefined && width === undefined && max === undefined && most === undefined) return undefined;
  if (current == null && width == null && max == null && most == null) return null;
  return {
    speed_gts: current ?? null,
    width: width ?? null,
    max_speed_gts: max ?? null,
    max_width: most ?? null,
  };
}

/** What a function's end of its link can, by two of them; undefined where there is neither. */
export function linkLimits(entry: SysfsEntry): Pick<PciLink, "max_speed_gts" | "max_width"> | undefined {
  const max = speed(entry, "max_link_speed");
  const most = lanes(entry, "max_link_width");
  return max === undefined && most === undefined ? undefined : { max_speed_gts: max ?? null, max_width: most ?? null };
}

/** `16.0 GT/s PCIe`, in older kernels `16 GT/s`; `Unknown` is null. */
function speed(entry: SysfsEntry, name: string): number | null | undefined {
  if (!entry.read(name)) return undefined;
  const gts = Number.parseFloat(entry.reader.latin1());
  return gts > 0 && gts < 1000 ? gts : null;
}

/** Lanes; 0 is no link and 255 the kernel's "unknown". */
function lanes(entry: SysfsEntry, name: string): number | null | undefined {
  if (!entry.read(name)) return undefined;
  const width = entry.reader.decimal();
  return width !== null && width > 0 && width <= 32 ? width : null;
}
