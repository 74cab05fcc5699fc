import { z } from "zod";
import { Condition } from "./condition.ts";
import { isPlainHardware } from "./device/plain.ts";
import { AttributeValue, Serial, Source } from "./hardware.ts";
import { Pci } from "./pci.ts";
import { text } from "./text.ts";

/** Reading and writing JSON recurse: what is nested without end costs every tier above its stack. */
export const MAX_DEPTH = 64;

/** What the seed calls Hardware, as a child may send it: strict in type, generous in what may be missing. */
export const PeerHardware = z.object({
  uuid: z.guid(),
  name: z.string().min(1).max(1024).optional(),
  source: text(1024).optional(),
  first_seen: z.iso.datetime({ offset: true }).optional(),
  freshness: z.enum(["FRESH", "STALE", "GONE"]).optional(),
  serials: z.array(Serial).max(64).optional(),
  attributes: z.record(z.string(), AttributeValue).optional(),
  acc_specs: z
    .object({
      remote: z.int().optional(),
      num: z.int().optional(),
      device_type: text(64).optional(),
      acc_capability: z.record(z.string(), z.unknown()).optional(),
    })
    .optional(),
  acc_status: z
    .object({
      setup_required: z.boolean().optional(),
      reboot_required: z.boolean().optional(),
      // The seed's misprint, which its implementers copied.
      reboot_equired: z.boolean().optional(),
      ready: z.boolean().optional(),
      conditions: z.array(Condition).max(64).optional(),
    })
    .optional(),
  pci: Pci.extend({ path: text(1024) })
    .nullable()
    .optional(),
});
export type PeerHardware = z.infer<typeof PeerHardware>;

const PeerReport = z.object({
  hardware: z.array(z.unknown()),
  sources: z
    .array(Source.extend({ name: text(1024), type: text(64).nullable(), endpoint: text(1100).nullable() }))
    .max(1000)
    .refine((sources) => new Set(sources.map(({ name }) => name)).size === sources.length, "expected each name once")
    .optional(),
  generation: text(128).optional(),
  conditions: z.unknown().optional(),
});

/** What an agent says of its node, bounded: it is shown in every list of nodes. */
const NodeConditions = z
  .array(Condition.extend({ type: text(64), reason: text(64), message: text(4096), action: text(4096).nullable() }))
  .max(16);

/** A device as a child sent it: `raw` is forwarded, so unknown fields survive; `value` is what we read. */
export interface PeerItem {
  raw: Record<string, unknown>;
  value: PeerHardware;
}

export interface Report {
  items: PeerItem[];
  /** null: the child has no word for sources (a seed peer). */
  sources: Source[] | null;
  generation: string | null;
  /** Of the node itself. */
  conditions: Condition[];
  /** Entries that were refused, each with where and why; the others stand. */
  refused: { pointer: string; detail: string }[];
}

/** Where in the document, and what was expected: the first fault of a failed parse. */
export function firstIssue(error: z.ZodError, prefix = ""): { pointer: string; detail: string } {
  const issue = error.issues[0];
  const path = issue ? issue.path.map(String).join("/") : "";
  return { pointer: `${prefix}/${path}`, detail: issue?.message ?? "not valid" };
}

/**
 * Reads the body of a child's `GET /hardware`. Throws RangeError when it is no such body at all; a device that is not
 * valid, or whose uuid came before (`bySource`: from the same source), is refused alone.
 */
export function parseReport(body: unknown, limits: { devices: number; bySource: boolean }): Report {
  const parsed = PeerReport.safeParse(body);
  if (!parsed.success) {
    const { pointer, detail } = firstIssue(parsed.error);
    throw new RangeError(`expected {"hardware": [...]}: ${pointer}: ${detail}`);
  }
  const { hardware, sources, generation } = parsed.data;
  const conditions = NodeConditions.safeParse(parsed.data.conditions ?? []);
  if (hardware.length > limits.devices) {
    throw new RangeError(`expected at most ${limits.devices} devices, got ${hardware.length}`);
  }
  const items: PeerItem[] = [];
  const refused: Report["refused"] = conditions.success ? [] : [firstIssue(conditions.error, "/conditions")];
  const seen = new Set<string>();
  hardware.forEach((raw, index) => {
    if (nestedDeeper(raw, MAX_DEPTH)) {
      refused.push({ pointer: `/hardware/${index}`, detail: `nested deeper than ${MAX_DEPTH} levels` });
      return;
    }
    const item = isPlainHardware(raw) ? { success: true as const, data: raw } : PeerHardware.safeParse(raw);
    if (!item.success) {
      refused.push(firstIssue(item.error, `/hardware/${index}`));
      return;
    }
    const value = { ...item.data, uuid: item.data.uuid.toLowerCase() };
    const key = limits.bySource ? `${value.source ?? ""} ${value.uuid}` : value.uuid;
    if (seen.has(key)) {
      refused.push({ pointer: `/hardware/${index}/uuid`, detail: `${value.uuid} came before in the same report` });
      return;
    }
    seen.add(key);
    items.push({ raw: raw as Record<string, unknown>, value }); // an object: PeerHardware accepted it
  });
  return {
    items,
    sources: sources ?? null,
    generation: generation ?? null,
    conditions: conditions.success ? conditions.data : [],
    refused,
  };
}

export function nestedDeeper(value: unknown, levels: number): boolean {
  if (typeof value !== "object" || value === null) return false;
  if (levels === 0) return true;
  for (const inner of Object.values(value)) {
    if (typeof inner === "object" && inner !== null && nestedDeeper(inner, levels - 1)) return true;
  }
  return false;
}
