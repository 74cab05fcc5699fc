import { z } from "zod";

const hex = (digits: number) =>
  z
    .string()
    .regex(new RegExp(`^[0-9a-f]{${digits}}$`))
    .meta({ description: `${digits} lower-case hex digits without 0x` });

/** A PCI address as Linux prints it: `dddd:bb:dd.f`, with 4 to 8 digits of domain. */
export const PciAddress = z.string().regex(/^[0-9a-f]{4,8}:[0-9a-f]{2}:[0-1][0-9a-f]\.[0-7]$/);

export const PciLink = z
  .object({
    speed_gts: z.number().nullable().meta({ description: "Current speed in GT/s" }),
    width: z.int().nullable().meta({ description: "Current width in lanes" }),
    max_speed_gts: z.number().nullable().meta({ description: "What the function can do, in GT/s" }),
    max_width: z.int().nullable().meta({ description: "What the function can do, in lanes" }),
  })
  .meta({ id: "PciLink" });
export type PciLink = z.infer<typeof PciLink>;

export const PciSriov = z
  .object({
    total: z.int().nullable().meta({ description: "VFs a PF can have; null on a VF" }),
    enabled: z.int().nullable().meta({ description: "VFs a PF has now; null on a VF" }),
    pf: z.string().nullable().meta({ description: "On a VF: the address of its PF" }),
    vf_index: z.int().nullable().meta({ description: "On a VF: its number under its PF, from 0" }),
  })
  .meta({ id: "PciSriov" });
export type PciSriov = z.infer<typeof PciSriov>;

export const PciBar = z
  .object({
    index: z.int().meta({ description: "0..5" }),
    type: z.enum(["mem32", "mem64", "io"]),
    prefetchable: z.boolean(),
    size: z.number().nullable().meta({ description: "Bytes; null where only the config space was recorded" }),
  })
  .meta({ id: "PciBar" });
export type PciBar = z.infer<typeof PciBar>;

/** Facts about one PCI function, under the names Linux and the PCI specifications use. */
export const Pci = z
  .object({
    address: PciAddress,
    path: z.string().meta({
      description: "Domain and root bus, then device.function of each bridge down to the function: no bus number",
      examples: ["0000:00/01.0/00.0", "0000:00/01.0/00.0/vf3"],
    }),
    parent: z.string().nullable().meta({ description: "The address of the bridge above, null on a root bus" }),
    slot: z.string().nullable().meta({ description: "Physical slot" }),
    label: z.string().nullable().meta({ description: "The firmware's name for the slot or the on-board device" }),
    vendor_id: hex(4),
    device_id: hex(4),
    subsystem_vendor_id: hex(4).nullable(),
    subsystem_device_id: hex(4).nullable(),
    class: hex(6),
    revision: hex(2).nullable(),
    vendor: z.string().nullable().meta({ description: "Name from the system's pci.ids" }),
    device: z.string().nullable().meta({ description: "Name from the system's pci.ids" }),
    kernel_driver: z.string().nullable(),
    numa_node: z.int().nullable(),
    iommu_group: z.int().nullable(),
    link: PciLink.nullable(),
    sriov: PciSriov.nullable(),
    bars: z.array(PciBar),
  })
  .meta({ id: "Pci" });
export type Pci = z.infer<typeof Pci>;
