import type { Change } from "../../../contract/change.ts";
import type { Condition } from "../../../contract/condition.ts";
import { troubleOf } from "../../../contract/device/trouble.ts";
import type { Freshness, Hardware, Source } from "../../../contract/hardware.ts";
import type { Report } from "../../../contract/peer.ts";
import { bodyOf } from "../../../db/queries/hardware.ts";
import { AGENT_SOURCE } from "../../../db/queries/sources.ts";
import { adopt, keepKnown } from "../../adopt.ts";

/** A device as the database holds it. */
export interface StoredDevice {
  source: string;
  uuid: string;
  freshness: Freshness;
  path: string | null;
  /** As an older Sinew stored it, or none. */
  trouble: string | null;
  /** Hardware JSON without freshness. */
  body: string;
}

export interface DeviceChange {
  kind: Exclude<Change["kind"], "state" | "alarm" | "forgotten">;
  device: Hardware;
  body: string;
}

/** Devices of one node that are stored, those that are gone included: twice what one report may have. */
export const MOST_DEVICES = 50_000;

/**
 * Characters of a device's JSON that are stored: some thirty times what a card with all it has to say takes. Each change is
 * kept, and each follower is sent it.
 */
const MOST_BODY = 64 * 1024;

const parse = (body: string): Hardware => JSON.parse(body); // written by bodyOf, from a Hardware

/**
 * What a report changes: pure. A device that is not in it is gone only if its source answered well; from a source that
 * failed, or is not named at all, it is still there as far as anyone knows. `sources` are the stored ones. With `most` devices
 * stored no other is taken in, nor is one that is too long: those are refused, as what is not valid is.
 */
export function reconcile(
  stored: StoredDevice[],
  report: Report,
  context: { node: Hardware["node"]; now: string; endpoint: string | null; sources: Source[]; most: number },
): { changes: DeviceChange[]; sources: Source[] } {
  const { node, now } = context;
  const before = new Map(stored.map((row) => [`${row.source} ${row.uuid}`, row]));
  const believed = sourcesOf(report, context).filter((source) => isWhole(source, report, context.sources));
  const refused: Report["refused"] = [];
  const good = new Set(believed.map(({ name }) => name));
  const changes: DeviceChange[] = [];
  const seen = new Set<string>();
  let added = 0;

  for (const [index, item] of report.items.entries()) {
    const source = item.value.source ?? AGENT_SOURCE;
    const key = `${source} ${item.value.uuid}`;
    const old = before.get(key);
    if (!old && before.size + added >= context.most) {
      const detail = `${context.most} devices of this node are stored, and no more are, those that are gone included`;
      refused.push({ pointer: `/hardware/${index}`, detail });
      continue;
    }
    seen.add(key);
    let device = adopt(item, { source, type: null, node, now });
    // That is for the fleet's operators to say.
    if ("cordoned" in device) delete device.cordoned;
    // A seed peer dates nothing: the first sight here counts.
    if (old && item.value.first_seen === undefined)
      device = keepKnown(device, { ...parse(old.body), freshness: "FRESH" });
    const body = bodyOf(device);
    if (body.length > MOST_BODY) {
      const detail = `expected a device of at most ${MOST_BODY} characters, got ${body.length}`;
      refused.push({ pointer: `/hardware/${index}`, detail });
      continue;
    }
    if (!old) added += 1;
    if (old && old.body === body && old.freshness === device.freshness && old.trouble === troubleOf(device)) continue;
    const path = device.pci?.path ?? null;
    const returned = !old || old.freshness === "GONE";
    const kind = old && path !== old.path ? "moved" : returned ? "added" : "changed";
    changes.push({ kind, device, body });
  }

  for (const [key, row] of before) {
    if (seen.has(key) || row.freshness === "GONE") continue;
    const freshness = good.has(row.source) ? "GONE" : "STALE";
    if (freshness === row.freshness) continue;
    if (freshness === "GONE") {
      const device = departed(parse(row.body), now);
      changes.push({ kind: "gone", device, body: bodyOf(device) });
    } else changes.push({ kind: "changed", device: { ...parse(row.body), freshness }, body: row.body });
  }
  // What is not taken in is no fault of the answer: what it does not list is gone all the same.
  const all = { ...report, refused: [...report.refused, ...refused] };
  return { changes, sources: sourcesOf(all, context) };
}

/** A device that left stays as it was known last, but for this: nobody can use it, and since when that is so. */
function departed(device: Hardware, now: string): Hardware {
  const present: Condition = {
    type: "Present",
    status: "false",
    reason: "Gone",
    message: "its node looked, and it was not there any more; all else said of it is what was known last",
    action: "if it was not taken out on purpose: read `dmesg` on the node, power-cycle it, reseat the card",
    since: now,
  };
  const others = device.acc_status.conditions.filter(({ type }) => type !== present.type);
  return {
    ...device,
    freshness: "GONE",
    acc_status: { ...device.acc_status, ready: false, conditions: [present, ...others] },
  };
}

/**
 * Whether what a source does not list is not there: its last attempt was good, or one was after the answer that is
 * stored (it failed only later, or said LEAVING) and all of that answer is here. An answer of another time is a later one:
 * what is stored may have been dated by a conductor's clock, which says nothing of the node's.
 */
function isWhole(source: Source, report: Report, stored: Source[]): boolean {
  if (report.refused.length > 0) return false;
  if (source.status === "OK") return true;
  const before = stored.find(({ name }) => name === source.name)?.observed_at ?? null;
  if (before === null || source.observed_at === null) return false;
  const listed = report.items.filter(({ value }) => value.source === source.name).length;
  return Date.parse(source.observed_at) !== Date.parse(before) && listed === source.count;
}

/** A seed peer has no sources: its one good answer is one. Refused devices make the agent itself a failed source. */
function sourcesOf(report: Report, { endpoint, now }: { endpoint: string | null; now: string }): Source[] {
  const agent = (status: Source["status"], error: Source["error"]): Source => ({
    name: AGENT_SOURCE,
    type: null,
    endpoint,
    status,
    observed_at: now,
    count: report.items.length,
    error,
  });
  const [refusal] = report.refused;
  if (refusal) {
    const message = `${report.refused.length} devices refused, the first at ${refusal.pointer}: ${refusal.detail}`;
    return [...(report.sources ?? []), agent("STALE", { code: "invalid", message })];
  }
  return report.sources ?? [agent("OK", null)];
}

/** The sources that look different to a reader now, or are new; times and wording do not count. */
export function changedSources(before: Source[], after: Source[]): Source[] {
  const shown = ({ name, type, endpoint, status, count, error }: Source) =>
    JSON.stringify([name, type, endpoint, status, count, error?.code]);
  const known = new Set(before.map(shown));
  return after.filter((source) => !known.has(shown(source)));
}
