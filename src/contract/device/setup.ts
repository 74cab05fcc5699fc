import { z } from "zod";
import { PciAddress } from "../pci.ts";
import { text } from "../text.ts";

/** One write to sysfs: what stands there, and what is to. */
export const SetupWrite = z
  .object({
    path: z.string().meta({ examples: ["/sys/bus/pci/devices/0000:3b:00.0/driver_override"] }),
    from: z.string().nullable().meta({ description: "null: nothing, or a file that can only be written" }),
    to: z.string(),
  })
  .meta({ id: "SetupWrite" });
export type SetupWrite = z.infer<typeof SetupWrite>;

/** Who would lose the device by the setup. */
export const SetupHolder = z
  .object({
    kind: z.string().meta({ examples: ["process", "netdev", "mount", "swap", "vf", "console"] }),
    name: z.string().meta({ examples: ["qemu-system-x86[4711]", "eth0", "/var"] }),
    address: PciAddress.meta({ description: "The function that it holds: the device, or one of its group" }),
    message: z.string(),
  })
  .meta({ id: "SetupHolder" });
export type SetupHolder = z.infer<typeof SetupHolder>;

/** A reason not to do it; `force` with its name overrides this one and no other. */
export const SetupRefusal = z
  .object({ name: z.string().meta({ examples: ["default-route"] }), reason: z.string() })
  .meta({ id: "SetupRefusal" });
export type SetupRefusal = z.infer<typeof SetupRefusal>;

/** What a person wants to know before pressing the button. */
export const SetupPlan = z
  .object({
    desired: z
      .object({
        kernel_driver: z.string().nullable().optional().meta({ description: "null: none may be bound" }),
        sriov_vfs: z.int().optional(),
        vf_driver: z.string().nullable().optional(),
      })
      .nullable()
      .meta({ description: "null: no rule of the configuration is about this device, and nothing would be written" }),
    writes: z.array(SetupWrite).meta({ description: "In order; none when the device is as desired" }),
    group: z
      .object({
        number: z.int(),
        viable: z.boolean().meta({ description: "Every member that is no bridge is on vfio-pci, pci-stub or nothing" }),
        members: z.array(
          z.object({
            address: PciAddress,
            name: z.string(),
            kernel_driver: z.string().nullable(),
            bridge: z.boolean(),
          }),
        ),
      })
      .nullable()
      .meta({ description: "The IOMMU group with all its members; null without one" }),
    holders: z.array(SetupHolder),
    reboot: z
      .object({
        reason: z.string(),
        setting: z.string().meta({ examples: ["intel_iommu=on", "VT-d in the firmware"] }),
      })
      .nullable()
      .meta({ description: "Why a reboot has to come first, and what to change for it; null: none is needed" }),
    undo: z.array(SetupWrite),
    refusals: z.array(SetupRefusal),
  })
  .meta({ id: "SetupPlan" });
export type SetupPlan = z.infer<typeof SetupPlan>;

/** The body of `POST /hardware/{uuid}/setup`. */
export const SetupRequest = z
  .strictObject({
    dry_run: z.boolean().optional().meta({ description: "Answer the plan and write nothing" }),
    revert: z.boolean().optional().meta({ description: "Back to what was there before the first setup" }),
    force: z
      .array(text(64))
      .max(16)
      .optional()
      .meta({ description: "Names of refusals to override", examples: [["default-route"]] }),
  })
  .meta({ id: "SetupRequest" });
export type SetupRequest = z.infer<typeof SetupRequest>;

/** The answer to a dry run. */
export const SetupPlanned = z.object({ plan: SetupPlan }).meta({ id: "SetupPlanned" });
export type SetupPlanned = z.infer<typeof SetupPlanned>;

/** One write that was tried. */
export const HistoryEntry = z
  .object({
    time: z.iso.datetime({ offset: true }),
    operation: z.guid(),
    kind: z.enum(["apply", "rollback", "revert"]),
    actor: z.string().meta({ description: "Who asked; `auto`: the node's own configuration" }),
    address: PciAddress,
    path: z.string(),
    from: z.string().nullable(),
    to: z.string(),
    outcome: z.enum(["done", "failed", "blocked"]),
    message: z.string().nullable(),
  })
  .meta({ id: "HistoryEntry" });
export type HistoryEntry = z.infer<typeof HistoryEntry>;

/** The body of `GET /hardware/{uuid}/history`: the newest first. */
export const HistoryList = z.object({ history: z.array(HistoryEntry) }).meta({ id: "HistoryList" });
export type HistoryList = z.infer<typeof HistoryList>;
