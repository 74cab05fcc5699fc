import { alone, placeByLink } from "../../pci/sysfs/topology.ts";
import type { FunctionFacts, SriovFacts } from "./facts.ts";
import { attribute, exists, isAddress, link, linkName, names, number } from "./tree.ts";

const devices = (sysfs: string) => `${sysfs}/bus/pci/devices`;

/** The function at `address`; null: it is not there. */
export function readFunction(sysfs: string, address: string): FunctionFacts | null {
  const at = `${devices(sysfs)}/${address}`;
  const [vendor, device, code] = ["vendor", "device", "class"].map((name) => attribute(`${at}/${name}`));
  if (!isAddress(address) || !vendor || !device || !code) return null;
  const override = attribute(`${at}/driver_override`);
  const group = Number(linkName(`${at}/iommu_group`) ?? Number.NaN);
  const physfn = linkName(`${at}/physfn`);
  return {
    address,
    path: pathOf(sysfs, address, physfn),
    vendor_id: hex(vendor, 4),
    device_id: hex(device, 4),
    class: hex(code, 6),
    kernel_driver: linkName(`${at}/driver`),
    // What printf makes of a null pointer: none is set.
    driver_override: override === "(null)" ? null : override,
    iommu_group: Number.isInteger(group) ? group : null,
    sriov: sriov(at),
    physfn,
  };
}

/** The addresses in an IOMMU group. */
export const groupMembers = (sysfs: string, group: number): string[] =>
  names(`${sysfs}/kernel/iommu_groups/${group}/devices`).filter(isAddress);

/** The addresses of a PF's VFs by index, up to `count`; null where the link leads to nothing. */
export function virtualFunctions(sysfs: string, pf: string, count: number): (string | null)[] {
  const at = `${devices(sysfs)}/${pf}`;
  return Array.from({ length: count }, (_, index) => {
    const name = linkName(`${at}/virtfn${index}`);
    return name !== null && isAddress(name) && exists(`${devices(sysfs)}/${name}`) ? name : null;
  });
}

function sriov(at: string): SriovFacts | null {
  const total = number(`${at}/sriov_totalvfs`);
  const enabled = number(`${at}/sriov_numvfs`);
  if (total === null || enabled === null) return null;
  const autoprobe = attribute(`${at}/sriov_drivers_autoprobe`);
  const parts = at.split("/");
  const pf = parts.pop() ?? "";
  return {
    total,
    enabled,
    autoprobe: autoprobe === "0" || autoprobe === "1" ? autoprobe : null,
    vfs: virtualFunctions(parts.slice(0, -3).join("/"), pf, Math.min(enabled, total)),
    offset: number(`${at}/sriov_offset`),
    stride: number(`${at}/sriov_stride`),
  };
}

function pathOf(sysfs: string, address: string, physfn: string | null): string {
  const target = link(`${devices(sysfs)}/${physfn ?? address}`);
  const place = (target && placeByLink(physfn ?? address, target)) || alone(physfn ?? address);
  if (physfn === null) return place.path;
  const index = names(`${devices(sysfs)}/${physfn}`).find(
    (name) => /^virtfn\d+$/.test(name) && linkName(`${devices(sysfs)}/${physfn}/${name}`) === address,
  );
  return index === undefined ? place.path : `${place.path}/vf${index.slice("virtfn".length)}`;
}

const hex = (text: string, digits: number) => text.replace(/^0x/, "").toLowerCase().padStart(digits, "0");
