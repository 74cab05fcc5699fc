import { z } from "zod";
import { Condition } from "./condition.ts";
import { DeviceCordon } from "./fleet/given.ts";
import { Pci } from "./pci.ts";

export const Freshness = z.enum(["FRESH", "STALE", "GONE"]).meta({ id: "Freshness" });
export type Freshness = z.infer<typeof Freshness>;

/** The kinds this version knows. A peer may say another: unknown values are kept. */
export const DEVICE_TYPES = ["GPU", "FPGA", "CRYPTO", "AICHIP", "NIC", "SSD", "DSA", "FEC", "GENERIC"] as const;
export type DeviceType = (typeof DEVICE_TYPES)[number];

export const Serial = z
  .object({ kind: z.string().meta({ examples: ["dsn", "nvme"] }), value: z.string() })
  .meta({ id: "Serial" });
export type Serial = z.infer<typeof Serial>;

/** A typed fact to filter on; its unit is in its name, as Prometheus does: `memory_bytes`. */
export const AttributeValue = z.union([z.string(), z.number(), z.boolean()]);

export const AccSpecs = z
  .looseObject({
    remote: z.int(),
    num: z.int().meta({ description: "What this row adds to a count of cards: 0 for a VF or a companion function" }),
    device_type: z.string().meta({ examples: [...DEVICE_TYPES] }),
    acc_capability: z.record(z.string(), z.unknown()),
  })
  .meta({ id: "AccSpecs" });

export const AccStatus = z
  .looseObject({
    setup_required: z.boolean(),
    reboot_required: z.boolean(),
    ready: z.boolean(),
    conditions: z.array(Condition),
  })
  .meta({ id: "AccStatus" });

/** A physical device on a node, ready for use or not: what crosses every hop. The seed's Hardware with optional fields. */
export const Hardware = z
  .looseObject({
    uuid: z.guid(),
    name: z.string(),
    source: z.string().meta({ description: "The driver that reported it" }),
    node: z.object({ id: z.guid(), name: z.string() }).meta({ id: "NodeRef" }),
    first_seen: z.iso.datetime({ offset: true }),
    freshness: Freshness,
    serials: z.array(Serial),
    attributes: z.record(z.string(), AttributeValue),
    acc_specs: AccSpecs,
    acc_status: AccStatus,
    pci: Pci.nullable(),
    cordoned: DeviceCordon.nullable()
      .optional()
      .meta({ description: "At the conductor, in its lists: out of service by an operator, itself or with its node" }),
  })
  .meta({ id: "Hardware" });

type Known<T> = { [K in keyof T as string extends K ? never : K]: T[K] };
/** `Hardware` without the index signature of its loose schema, so that a typo does not compile. */
export type Hardware = Omit<Known<z.infer<typeof Hardware>>, "acc_specs" | "acc_status"> & {
  acc_specs: Known<z.infer<typeof AccSpecs>>;
  acc_status: Known<z.infer<typeof AccStatus>>;
};

export const SourceErrorCode = z.enum(["unreachable", "timeout", "http_status", "invalid", "crashed"]);
export type SourceErrorCode = z.infer<typeof SourceErrorCode>;

/** One driver as the tier above sees it: so "found none" and "did not answer" never look alike. */
export const Source = z
  .object({
    name: z.string(),
    type: z.string().nullable(),
    endpoint: z.string().nullable(),
    status: z.enum(["OK", "STALE", "NEVER"]).meta({
      description:
        "OK: the last attempt was good. STALE: it failed, last-good hardware is shown. NEVER: no good answer yet",
    }),
    observed_at: z.iso.datetime({ offset: true }).nullable().meta({ description: "The last good answer" }),
    count: z.int(),
    error: z.object({ code: SourceErrorCode, message: z.string() }).nullable(),
  })
  .meta({ id: "Source" });
export type Source = z.infer<typeof Source>;

/** The body of `GET /hardware` at a driver and an agent, and of `sinew scan --json`. */
export const HardwareList = z
  .object({
    hardware: z.array(Hardware),
    sources: z.array(Source),
    conditions: z
      .array(Condition)
      .optional()
      .meta({ description: "What an agent says of its node itself; absent: nothing" }),
    generation: z
      .string()
      .meta({ description: "Changes when hardware or sources change; measured values do not count" }),
    next_page_token: z.string().optional(),
  })
  .meta({ id: "HardwareList" });
export type HardwareList = Omit<z.infer<typeof HardwareList>, "hardware"> & { hardware: Hardware[] };

/** A source, and the node whose it is. */
export const FleetSource = Source.extend({ node: z.object({ id: z.guid(), name: z.string() }) }).meta({
  id: "FleetSource",
});
export type FleetSource = z.infer<typeof FleetSource>;

/** The body of the conductor's `GET /sources`. */
export const SourceList = z
  .object({ sources: z.array(FleetSource), revision: z.int(), next_page_token: z.string().optional() })
  .meta({ id: "SourceList" });
export type SourceList = z.infer<typeof SourceList>;

/** The body of the conductor's `GET /hardware`: only sources that are not OK, and the numbers of all. */
export const FleetHardwareList = z
  .object({
    hardware: z.array(Hardware),
    sources: z.array(FleetSource),
    sources_summary: z.object({ total: z.int(), ok: z.int(), stale: z.int(), never: z.int() }),
    generation: z.string(),
    revision: z.int(),
    next_page_token: z.string().optional(),
  })
  .meta({ id: "FleetHardwareList" });
