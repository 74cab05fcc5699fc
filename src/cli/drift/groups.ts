import type { Hardware } from "../../contract/hardware.ts";

/** What is to be the same in all devices that are alike. */
const FACTS = {
  "kernel driver": ({ pci }: Hardware) => pci?.kernel_driver ?? null,
  "kernel driver version": ({ attributes }: Hardware) => attributes.kernel_driver_version ?? null,
  firmware: ({ attributes }: Hardware) => attributes.firmware_version ?? null,
} as const;

/** A device, and where it is. */
export interface Place {
  uuid: string;
  node: string;
  address: string | null;
  slot: string | null;
}

/** One fact in which devices that are alike differ; the value of most comes first. `null`: it has none. */
export interface Difference {
  fact: keyof typeof FACTS;
  values: { value: string | null; devices: Place[] }[];
}

/** Devices of one make: the same card, by its own ids and by its maker's. */
export interface Group {
  name: string;
  device_type: string;
  /** `10de:20b2`, with `10de:1463` of the card's maker where it has one. */
  ids: string;
  total: number;
  differences: Difference[];
}

export const placeOf = ({ uuid, node, pci }: Hardware): Place => ({
  ...{ uuid, node: node.name },
  ...{ address: pci?.address ?? null, slot: pci?.slot ?? pci?.label ?? null },
});

/** Groups of like devices that differ; VFs are left out, which are as their PF's host wants them. */
export function driftOf(devices: readonly Hardware[]): Group[] {
  const alike = Map.groupBy(devices, (device) => (device.freshness === "GONE" ? null : keyOf(device)));
  return [...alike.entries()]
    .flatMap(([ids, group]) => {
      const [first] = group;
      if (ids === null || !first) return [];
      const differences = Object.keys(FACTS).flatMap((fact) => differenceOf(fact as keyof typeof FACTS, group) ?? []);
      if (differences.length === 0) return [];
      return [{ name: first.name, device_type: first.acc_specs.device_type, ids, total: group.length, differences }];
    })
    .sort((a, b) => a.name.localeCompare(b.name) || a.ids.localeCompare(b.ids));
}

function keyOf({ pci, attributes }: Hardware): string | null {
  if (!pci || pci.sriov?.pf) return null;
  const { vendor_id, device_id, subsystem_vendor_id, subsystem_device_id } = pci;
  const maker = subsystem_vendor_id && subsystem_device_id ? ` ${subsystem_vendor_id}:${subsystem_device_id}` : "";
  // SSDs of one controller are sold as several models, each with its own firmware.
  return `${vendor_id}:${device_id}${maker}${typeof attributes.model === "string" ? ` ${attributes.model}` : ""}`;
}

function differenceOf(fact: keyof typeof FACTS, group: readonly Hardware[]): Difference | null {
  const values = Map.groupBy(group, (device) => FACTS[fact](device)?.toString() ?? null);
  if (values.size < 2) return null;
  const sorted = [...values].sort(([a, x], [b, y]) => y.length - x.length || String(a).localeCompare(String(b)));
  return { fact, values: sorted.map(([value, devices]) => ({ value, devices: devices.map(placeOf) })) };
}
