import type { Database } from "../../../db/database.ts";
import {
  type HardwareFilter,
  isFalse,
  type ListedRow,
  listHardware,
  newestHardware,
} from "../../../db/queries/hardware.ts";
import { sleep, type World } from "../../../world.ts";

/** Rows that are looked through at once: some 30 ms on SQLite, as others wait meanwhile. */
const AT_ONCE = 8_000;
/** Looks of one request. */
const LOOKS = 25;

/** One page of the fleet's devices. */
export interface HardwarePage {
  page: ListedRow[];
  /** After which row the next one begins; null: there is none. */
  next: number | null;
  /** At which the page was so. */
  revision: number;
  sourcesAt: number;
}

/**
 * Whether rows may have to be looked through of which few are wanted: what is in no index, and what is found by another row
 * where an index of the device's own is walked for it.
 */
export const isLookedFor = ({ node, condition, cordoned, labels = [], ...own }: HardwareFilter): boolean => {
  const indexed = own.device_type ?? own.vendor_id ?? own.ready ?? own.freshness;
  const beside = node === undefined && (cordoned === true || labels.length > 0);
  return condition !== undefined || cordoned === false || (beside && indexed !== undefined);
};

/** Of what is looked for so a page may be shorter than asked for, and not the last. */
export async function pageOfHardware(
  db: Database,
  world: Pick<World, "timer">,
  filter: HardwareFilter,
  { after, limit }: { after: number | undefined; limit: number },
): Promise<HardwarePage> {
  const { condition } = filter;
  if (!isLookedFor(filter)) {
    const { rows, ...rest } = await listHardware(db.read, filter, { after, limit: limit + 1 });
    const page = rows.slice(0, limit);
    return { page, next: rows.length > limit ? (page.at(-1)?.id ?? null) : null, ...rest };
  }
  const found: ListedRow[] = [];
  const end = await newestHardware(db.read);
  let at = after ?? 0;
  let since: { revision: number; sourcesAt: number } | null = null;
  for (let look = 0; look < LOOKS && found.length <= limit; look += 1) {
    // SQLite's answers are there at once: others have to be let in.
    if (look > 0 && db.dialect === "sqlite") await sleep(world, 0);
    const upTo = Math.min(end, at + AT_ONCE);
    const { rows, ...seen } = await listHardware(db.read, filter, { after: at, upTo, limit: limit + 1 });
    // The first: whoever goes on with the feed from here may see a change twice, never miss one.
    since ??= seen;
    found.push(...rows.filter((row) => condition === undefined || isFalse(row, condition)));
    at = rows.length > limit ? (rows.at(-1)?.id ?? upTo) : upTo;
    if (at >= end) break;
  }
  const page = found.slice(0, limit);
  const next = found.length > limit ? (page.at(-1)?.id ?? null) : at < end ? at : null;
  return { page, next, ...(since ?? { revision: await db.revision(), sourcesAt: 0 }) };
}
