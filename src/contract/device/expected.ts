import { z } from "zod";
import { Condition } from "../condition.ts";
import { PciAddress } from "../pci.ts";
import { text } from "../text.ts";

const hexId = z.string().regex(/^[0-9a-f]{4}$/, "expected 4 lower-case hex digits");

/** How many of which hardware: of a kind, of a vendor's device, or of a kind that is that device. */
const wanted = {
  device_type: text(64)
    .nullable()
    .optional()
    .meta({ examples: ["GPU"] }),
  vendor_id: hexId
    .nullable()
    .optional()
    .meta({ examples: ["10de"] }),
  device_id: hexId
    .nullable()
    .optional()
    .meta({ examples: ["20b2"] }),
};
const count = z.int().min(1).max(10_000);

const Wanted = z
  .strictObject({ ...wanted, count })
  .refine(
    ({ device_type, vendor_id, device_id }) => (vendor_id && device_id) || (device_type && !vendor_id && !device_id),
    "expected a device_type, or vendor_id and device_id, or all three",
  );

const keyOf = ({ device_type = null, vendor_id = null, device_id = null }: z.infer<typeof Wanted>) =>
  JSON.stringify([device_type, vendor_id, device_id]);

/** The body of `PUT /expected`: what a person says is to be here. */
export const SetExpected = z
  .strictObject({
    counts: z
      .array(Wanted)
      .min(1)
      .max(256)
      .refine((counts) => new Set(counts.map(keyOf)).size === counts.length, "expected each kind once"),
  })
  .meta({ id: "SetExpected" });
export type SetExpected = z.infer<typeof SetExpected>;

export const MissingDevice = z
  .object({
    uuid: z.guid(),
    name: z.string(),
    source: z.string(),
    slot: z.string().nullable(),
    address: PciAddress.nullable(),
    last_seen: z.iso.datetime({ offset: true }).nullable(),
  })
  .meta({ id: "MissingDevice" });
export type MissingDevice = z.infer<typeof MissingDevice>;

export const ExpectedCount = z
  .object({
    device_type: z.string().nullable(),
    vendor_id: z.string().nullable(),
    device_id: z.string().nullable(),
    count: z.int(),
    present: z.int().meta({ description: "As of the last good answers" }),
    missing: z.array(MissingDevice).meta({
      description: "Those that were here, and are not; none while `count` is met, nor of a source that does not answer",
    }),
  })
  .meta({ id: "ExpectedCount" });
export type ExpectedCount = z.infer<typeof ExpectedCount>;

/** What is to be on a node, and whether it is. */
export const Expected = z
  .object({
    origin: z
      .enum(["learned", "set"])
      .nullable()
      .meta({ description: "null: nothing is expected. learned: rises by itself, and never falls" }),
    since: z.iso.datetime({ offset: true }).nullable(),
    counts: z.array(ExpectedCount),
    condition: Condition.nullable().meta({ description: "HardwarePresent, as the node's conditions have it" }),
  })
  .meta({ id: "Expected" });
export type Expected = z.infer<typeof Expected>;
