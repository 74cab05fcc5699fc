import { z } from "zod";
import { Condition } from "../../../contract/condition.ts";
import type { ExpectedCount, MissingDevice } from "../../../contract/device/expected.ts";
import type { Hardware, Source } from "../../../contract/hardware.ts";

const Entry = z.object({
  uuid: z.string(),
  source: z.string(),
  name: z.string(),
  slot: z.string().nullable(),
  address: z.string().nullable(),
  path: z.string().nullable(),
});
type Entry = z.infer<typeof Entry>;

const Line = z.object({
  device_type: z.string().nullable(),
  vendor_id: z.string().nullable(),
  device_id: z.string().nullable(),
  count: z.int(),
  /** Who was here when the count was last met. */
  roll: z.array(Entry),
});
export type Line = z.infer<typeof Line>;

/** What is to be on a node, as its agent keeps it. */
export const Expectation = z.object({
  origin: z.enum(["learned", "set"]),
  since: z.string(),
  lines: z.array(Line),
  condition: Condition.nullable(),
});
export type Expectation = z.infer<typeof Expectation>;

/** What an agent knows of its hardware at this moment. */
export interface Seen {
  devices: readonly Hardware[];
  sources: readonly Source[];
  /** When a device was last there, RFC 3339. */
  lastSeen(source: string, uuid: string): string | null;
}

const entryOf = ({ uuid, source, name, pci }: Hardware): Entry => ({
  uuid,
  source,
  name,
  slot: pci?.slot ?? pci?.label ?? null,
  address: pci?.address ?? null,
  path: pci?.path ?? null,
});

/**
 * The cards that are certainly here: what adds to a count of cards (no virtual or companion function), is of a kind, and was
 * in the last good answer of its source. One that two sources report is one card.
 */
function present({ devices }: Seen): Hardware[] {
  const cards = devices.filter(
    ({ acc_specs, acc_status, freshness, pci }) =>
      freshness === "FRESH" &&
      acc_specs.num > 0 &&
      acc_specs.device_type !== "GENERIC" &&
      !pci?.sriov?.pf &&
      !acc_status.conditions.some(({ type, status }) => type === "Present" && status === "false"),
  );
  return [...new Map(cards.map((device) => [device.uuid, device])).values()];
}

const tally = (devices: readonly Hardware[]) => devices.reduce((sum, { acc_specs }) => sum + acc_specs.num, 0);

const kindOf = ({ acc_specs, pci }: Hardware) => ({
  device_type: acc_specs.device_type,
  vendor_id: pci?.vendor_id ?? null,
  device_id: pci?.device_id ?? null,
});
const keyOf = ({ device_type, vendor_id, device_id }: Pick<Line, "device_type" | "vendor_id" | "device_id">) =>
  JSON.stringify([device_type, vendor_id, device_id]);

/** What a person left out may be anything; what was learned is exact. */
const counts =
  ({ origin }: Pick<Expectation, "origin">, line: Pick<Line, "device_type" | "vendor_id" | "device_id">) =>
  (device: Hardware): boolean => {
    const kind = kindOf(device);
    const same = (key: keyof typeof kind) => line[key] === kind[key] || (origin === "set" && line[key] === null);
    return same("device_type") && same("vendor_id") && same("device_id");
  };

const answers = ({ sources }: Seen, name: string) =>
  sources.some((source) => source.name === name && source.status === "OK");

/** Takes down what is here, of sources that do not answer what was expected of them before. */
export function learned(seen: Seen, before: Expectation | null, now: string): Expectation {
  const fresh: Expectation = { origin: "learned", since: now, lines: [], condition: before?.condition ?? null };
  const here = new Set(present(seen).map(({ uuid }) => uuid));
  for (const { roll, ...line } of before?.origin === "learned" ? before.lines : []) {
    const silent = roll.filter(({ uuid, source }) => !here.has(uuid) && !answers(seen, source));
    if (silent.length > 0) fresh.lines.push({ ...line, count: silent.length, roll: silent });
  }
  for (const line of fresh.lines) {
    const more = present(seen).filter(counts(fresh, line));
    line.count += tally(more);
    line.roll.push(...more.map(entryOf));
  }
  return risen(fresh, seen);
}

/** Where more is here than expected: what was learned rises, and whoever is here is who will be missed. */
export function risen(expectation: Expectation, seen: Seen): Expectation {
  const here = present(seen);
  const known = new Set(expectation.lines.map(keyOf));
  const kinds = new Map(here.map((device) => [keyOf(kindOf(device)), kindOf(device)]));
  const added: Line[] =
    expectation.origin === "learned"
      ? [...kinds].flatMap(([key, kind]) => (known.has(key) ? [] : [{ ...kind, count: 0, roll: [] }]))
      : [];
  const lines = [...expectation.lines, ...added].map((line): Line => {
    const own = here.filter(counts(expectation, line));
    const found = tally(own);
    if (found >= line.count) {
      return { ...line, count: expectation.origin === "learned" ? found : line.count, roll: own.map(entryOf) };
    }
    // A card that has moved is looked for where it was last.
    const now = new Map(own.map((device) => [device.uuid, entryOf(device)]));
    const roll = line.roll.map((entry) => now.get(entry.uuid) ?? entry);
    // Fewer than a person wants, and so far nobody is missed by name.
    const names = new Set(roll.map(({ uuid }) => uuid));
    const newcomers = own.filter(({ uuid }) => !names.has(uuid) && roll.length < line.count).map(entryOf);
    return { ...line, roll: [...roll, ...newcomers].slice(0, Math.max(line.count, roll.length)) };
  });
  return { ...expectation, lines };
}

/** One line as it stands: `silent` are the sources that could have what is missing, and do not answer. */
export interface Standing extends ExpectedCount {
  silent: string[];
  /** Missing for certain: not met, whatever the silent sources have. */
  certain: boolean;
}

export function standing(expectation: Expectation, seen: Seen): Standing[] {
  const here = present(seen);
  const uuids = new Set(here.map(({ uuid }) => uuid));
  const places = new Set(here.map(({ source, pci }) => `${source} ${pci?.path}`));
  return expectation.lines.map(({ roll, ...line }) => {
    const found = tally(here.filter(counts(expectation, line)));
    const short = line.count - found;
    // A card in the place of another one has replaced it.
    const missed = roll.filter(
      ({ uuid, source, path }) => !uuids.has(uuid) && !(path !== null && places.has(`${source} ${path}`)),
    );
    const missing = short > 0 ? missed : [];
    const unsure = missing.filter(({ source }) => !answers(seen, source));
    const unnamed = Math.max(0, short - missing.length);
    const failed = seen.sources
      .filter(({ status, type }) => status !== "OK" && (!type || !line.device_type || type === line.device_type))
      .map(({ name }) => name);
    const silent = [...new Set([...unsure.map(({ source }) => source), ...(unnamed > 0 ? failed : [])])];
    return {
      ...line,
      present: found,
      missing: missing
        .filter(({ source }) => answers(seen, source))
        .map(({ path: _, ...entry }): MissingDevice => {
          return { ...entry, last_seen: seen.lastSeen(entry.source, entry.uuid) };
        }),
      silent,
      certain: short > unsure.length + (failed.length > 0 ? unnamed : 0),
    };
  });
}
