import { expect } from "bun:test";
import type { Pci } from "../../src/contract/pci.ts";
import { scanPci } from "../../src/pci/sysfs/scan.ts";

export const hasLspci = Bun.which("lspci") !== null;

/** lspci on a tree; null where it gives up (libpci exits on a file that it misses, and cyborg's trees miss many). */
export function lspci(sysfs: string, ...options: string[]): string | null {
  const run = Bun.spawnSync(["lspci", "-A", "linux-sysfs", "-O", `sysfs.path=${sysfs}/bus/pci`, "-D", ...options]);
  return run.exitCode === 0 ? run.stdout.toString() : null;
}

/** Per function, the fields of `lspci -vmm -n -k`. */
export function records(text: string): Map<string, Record<string, string>> {
  const blocks = text.trim().split(/\n\n+/);
  const parsed = blocks.map((block) =>
    Object.fromEntries([...block.matchAll(/^(\w+):\t(.*)$/gm)].map((m) => [m[1], m[2]])),
  );
  return new Map(parsed.map((fields) => [fields.Slot ?? "", fields]));
}

/** Ours in lspci's words. It leaves out revision 00, prog-if and subsystem where they are zero or unknown. */
export function asLspci(fn: Omit<Pci, "vendor" | "device">) {
  return {
    Class: fn.class.slice(0, 4),
    Vendor: fn.vendor_id,
    Device: fn.device_id,
    SVendor: fn.subsystem_vendor_id ?? undefined,
    SDevice: fn.subsystem_vendor_id === null ? undefined : (fn.subsystem_device_id ?? undefined),
    Rev: fn.revision === "00" ? undefined : (fn.revision ?? undefined),
    Driver: fn.kernel_driver ?? undefined,
    NUMANode: fn.numa_node === null ? undefined : String(fn.numa_node),
    IOMMUGroup: fn.iommu_group === null ? undefined : String(fn.iommu_group),
  };
}

/** Compares each function both list, field by field; the number compared. */
export function compareWithLspci(sysfs: string, fields: (keyof ReturnType<typeof asLspci>)[]): number {
  const text = lspci(sysfs, "-n", "-k", "-vmm");
  if (text === null) return 0;
  const theirs = records(text);
  let compared = 0;
  for (const fn of scanPci({ sysfs }).functions) {
    const record = theirs.get(fn.address);
    if (!record) continue;
    const own = asLspci(fn);
    const pick = (from: Record<string, string | undefined>) => fields.map((field) => [field, from[field]]);
    expect([fn.address, pick(own)]).toEqual([fn.address, pick(record)]);
    compared += 1;
  }
  return compared;
}
