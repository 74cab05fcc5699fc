import type { PciFunction } from "../../src/pci/function.ts";

/** A healthy, bound function; a test says only what matters to it. `id` is vendor:device. */
export function pciFunction(id: string, pciClass: string, given: Partial<PciFunction> = {}): PciFunction {
  const [vendor_id = "", device_id = ""] = id.split(":");
  const address = given.address ?? "0000:01:00.0";
  return {
    address,
    path: `0000:00/01.0/${address.slice(-4)}`,
    parent: "0000:00:01.0",
    slot: null,
    label: null,
    vendor_id,
    device_id,
    subsystem_vendor_id: null,
    subsystem_device_id: null,
    class: pciClass.padEnd(6, "0"),
    revision: null,
    kernel_driver: null,
    numa_node: null,
    iommu_group: null,
    link: null,
    pf_ids: null,
    sriov: null,
    bars: [],
    serials: [],
    hops: null,
    aer: null,
    driver_override: null,
    iommu: null,
    attributes: {},
    algorithms: null,
    response: "responding",
    driverObservable: true,
    problems: [],
    ...given,
  };
}

export const vfOf = (pf: string): Pick<PciFunction, "sriov"> => ({
  sriov: { total: null, enabled: null, pf, vf_index: 0 },
});
