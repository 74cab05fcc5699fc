import type { Hardware } from "../contract/hardware.ts";
import type { Pci } from "../contract/pci.ts";
import type { PciFunction } from "../pci/function.ts";
import { deviceUuid } from "../pci/identity.ts";
import { conditionsOf } from "./conditions.ts";
import type { Health } from "./health/health.ts";
import type { Claim, Kind } from "./kind.ts";
import { deriveStatus } from "./status.ts";

/** Names from the system's pci.ids; null where it has none, or where there is no pci.ids. */
export type PciNames = (
  vendorId: string,
  deviceId: string,
) => { vendor?: string | null; device?: string | null } | null | undefined;

export interface HardwareContext {
  node: Hardware["node"];
  /** null: listed on request only, as GENERIC. */
  kind: Kind | null;
  claim: Claim | null;
  names?: PciNames | undefined;
  now: Date;
  /** What is known of the devices' past; without it conditions are as this one reading says. */
  health?: Health | undefined;
}

/** One PCI function as the device that travels. It reads nothing: what is said here, `fn` shows. */
export function toHardware(fn: PciFunction, { node, kind, claim, names, now, health }: HardwareContext): Hardware {
  const since = now.toISOString();
  const type = kind?.deviceType ?? "GENERIC";
  const generic = type === "GENERIC";
  const found = names?.(fn.vendor_id, fn.device_id);
  const pci = toPci(fn, { vendor: found?.vendor || null, device: found?.device || null });
  const expected = { kernelDrivers: claim?.kernelDrivers ?? [], driverNeeded: !generic };
  const said = conditionsOf(fn, expected);
  const conditions = health?.judge(fn, said, now) ?? said.map((one) => ({ ...one, since }));
  return {
    uuid: deviceUuid(node.id, fn),
    name: pci.device ?? (claim?.name || `${type} ${fn.vendor_id}:${fn.device_id}`),
    source: kind?.name ?? "generic",
    node: { id: node.id, name: node.name },
    first_seen: since,
    freshness: "FRESH",
    serials: fn.serials,
    attributes: { ...fn.attributes, ...kind?.attributes?.(fn) },
    acc_specs: {
      remote: 0,
      num: claim?.num ?? 1,
      device_type: type,
      acc_capability: kind?.capability?.(fn) ?? {},
    },
    acc_status: { ...deriveStatus(conditions), conditions },
    pci,
  };
}

/** Written out field by field, so that a new one does not compile until it is carried over. */
function toPci(fn: PciFunction, { vendor, device }: Pick<Pci, "vendor" | "device">): Pci {
  return {
    address: fn.address,
    path: fn.path,
    parent: fn.parent,
    slot: fn.slot,
    label: fn.label,
    vendor_id: fn.vendor_id,
    device_id: fn.device_id,
    subsystem_vendor_id: fn.subsystem_vendor_id,
    subsystem_device_id: fn.subsystem_device_id,
    class: fn.class,
    revision: fn.revision,
    vendor,
    device,
    kernel_driver: fn.kernel_driver,
    numa_node: fn.numa_node,
    iommu_group: fn.iommu_group,
    link: fn.link,
    sriov: fn.sriov,
    bars: fn.bars,
  };
}
