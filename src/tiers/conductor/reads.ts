import type { SourceList } from "../../contract/hardware.ts";
import type { Node } from "../../contract/node.ts";
import type { OperationList } from "../../contract/operation.ts";
import { SinewError } from "../../contract/problem.ts";
import type { Database } from "../../db/database.ts";
import { type ChangeFilter, type ChangeRow, changesSince, changeText, keptAfter } from "../../db/queries/changes.ts";
import { givenTo, toGiven } from "../../db/queries/fleet/given.ts";
import { cordonOf, type HardwareFilter, hardwareText, oneDevice } from "../../db/queries/hardware.ts";
import { listNodes, type NodeFilter, theNode, toNode } from "../../db/queries/nodes.ts";
import { listOperations, type OperationFilter } from "../../db/queries/operations.ts";
import {
  failedSources,
  listSources,
  type SourceFilter,
  sourcesSummary,
  toFleetSource,
} from "../../db/queries/sources.ts";
import type { World } from "../../world.ts";
import { shown } from "../operations/summary.ts";
import { checkPosition } from "./feed/position.ts";
import { searchChanges } from "./feed/search.ts";
import { isLookedFor, pageOfHardware } from "./inventory/page.ts";
import { badToken, decode, encode, type Paging, positionOf } from "./paging.ts";
import { createSearching } from "./searching.ts";

/** The conductor lists this many of the sources that are not OK; the summary counts all. */
const SOURCES_SHOWN = 100;
/** An operation of a large fleet is a megabyte: so many of one page, and of the children of each. */
const OPERATIONS_SHOWN = 100;
const CHILDREN_SHOWN = 10;

/** What the fleet's readers ask for, from the database alone. Texts are JSON bodies. */
export interface Reads {
  revision(): Promise<number>;
  hardware(filter: HardwareFilter, paging: Paging): Promise<{ text: string; revision: number }>;
  /** Null: no such device. Throws SinewError ambiguous_uuid naming every source of it. */
  device(uuid: string): Promise<string | null>;
  /** Which node has a device. Throws SinewError not_found, and ambiguous_uuid as `device`. */
  whereabouts(uuid: string): Promise<{ node: string; freshness: string }>;
  nodes(filter: NodeFilter, paging: Paging): Promise<{ nodes: Node[]; revision: number; next_page_token?: string }>;
  /** By id or name. Throws SinewError not_found, and ambiguous_name naming the ids of those that have the name. */
  node(idOrName: string): Promise<Node>;
  sources(filter: SourceFilter, paging: Paging): Promise<SourceList>;
  /** Newest first. */
  operations(filter: OperationFilter, paging: Paging): Promise<OperationList>;
  /**
   * Oldest first, or with `order` "desc" newest first down to `since`. Throws SinewError epoch for a position of another
   * history, too_old for one that is no longer kept.
   */
  changes(since: number, options: Paging & ChangeFilter & { epoch?: string; order?: "asc" | "desc" }): Promise<string>;
}

export function createReads(db: Database, world: Pick<World, "timer" | "monotonic">): Reads {
  const { read } = db;
  const searching = createSearching(world);

  /** Members of the list's JSON about the sources that are not OK, and of all how many are. */
  async function sourcesText(node?: string): Promise<string> {
    const failed = await failedSources(read, SOURCES_SHOWN, node);
    return JSON.stringify({
      sources: failed.map(toFleetSource),
      sources_summary: await sourcesSummary(read, node),
    }).slice(1, -1);
  }

  let known: { at: number; text: Promise<string> } | null = null;

  /** The same of the whole fleet, as of the revision at which a source changed last: to count them takes longer than a page. */
  function fleetSources(at: number): Promise<string> {
    if (known?.at === at) return known.text;
    const text = sourcesText();
    known = { at, text };
    text.catch(() => {
      known = null;
    });
    return text;
  }

  return {
    revision: () => db.revision(),

    async hardware(filter, { limit, page_token }) {
      const after = positionOf(decode(page_token));
      const look = () => pageOfHardware(db, world, filter, { after, limit });
      const { page, next, revision, sourcesAt } = await (isLookedFor(filter) ? searching(look) : look());
      const rest = {
        generation: String(revision),
        revision,
        ...(next === null ? {} : { next_page_token: encode(String(next)) }),
      };
      const sources = filter.node === undefined ? await fleetSources(sourcesAt) : await sourcesText(filter.node);
      // The bodies are JSON text already: put together, never parsed.
      const text = `{"hardware":[${page.map(hardwareText).join(",")}],${sources},${JSON.stringify(rest).slice(1)}`;
      return { text, revision };
    },

    async device(uuid) {
      const row = await oneDevice(read, uuid);
      return row && hardwareText({ ...row, cordon: await cordonOf(read, row) });
    },

    async whereabouts(uuid) {
      const row = await oneDevice(read, uuid);
      if (row) return { node: row.node_id, freshness: row.freshness };
      throw new SinewError("not_found", `no device ${uuid} is in the fleet`);
    },

    async nodes(filter, { limit, page_token }) {
      const { rows, revision } = await listNodes(read, { ...filter, after: decode(page_token), limit: limit + 1 });
      const nodes = rows.slice(0, limit).map(({ row, given }) => toNode(row, given && toGiven(given)));
      const last = rows.length > limit ? nodes.at(-1) : undefined;
      return { nodes, revision, ...(last ? { next_page_token: encode(last.id) } : {}) };
    },

    async node(idOrName) {
      const row = await theNode(read, idOrName);
      return toNode(row, await givenTo(read, "node", row.id));
    },

    async sources(filter, { limit, page_token }) {
      const [node, name] = placeOf(page_token);
      const after = node === undefined || name === undefined ? undefined : { node, name };
      // Before the rows: whoever goes on with the feed from here may see a change twice, never miss one.
      const revision = await db.revision();
      const rows = await listSources(read, { ...filter, after }, limit + 1);
      const page = rows.slice(0, limit);
      const last = rows.length > limit ? page.at(-1) : undefined;
      return {
        sources: page.map(toFleetSource),
        revision,
        ...(last ? { next_page_token: tokenOf(last.node_id, last.name) } : {}),
      };
    },

    async operations(filter, { limit, page_token }) {
      const [started_at, uuid] = placeOf(page_token);
      const before = started_at === undefined || uuid === undefined ? undefined : { started_at, uuid };
      const most = Math.min(limit, OPERATIONS_SHOWN);
      const revision = await db.revision();
      const found = await listOperations(read, { ...filter, before }, most + 1);
      const page = found.slice(0, most);
      const last = found.length > most ? page.at(-1) : undefined;
      return {
        operations: page.map((operation) => shown(operation, CHILDREN_SHOWN)),
        revision,
        ...(last ? { next_page_token: tokenOf(last.started_at, last.uuid) } : {}),
      };
    },

    async changes(first, { limit, page_token, epoch, order = "asc", ...filter }) {
      const token = positionOf(decode(page_token));
      const newest = await db.revision();
      let found: { rows: ChangeRow[]; next: number | null };
      if (order === "desc") {
        await checkPosition(db, Math.max(first, await keptAfter(read)), { epoch, newest });
        const to = Math.min(first, newest) + 1;
        found = await search(filter, { from: Math.max(to, token ?? newest + 1), to, limit });
      } else {
        const since = token ?? first;
        found = isAll(filter)
          ? await pageAfter(since, limit)
          : await search(filter, { from: since, to: Math.max(since, newest), limit });
        // After the rows: what was still kept now was there when they were read.
        await checkPosition(db, since, { epoch, newest });
      }
      const { rows, next } = found;
      const rest = {
        revision: Math.max(newest, ...rows.map(({ revision }) => revision)),
        epoch: db.epoch,
        ...(next === null ? {} : { next_page_token: encode(String(next)) }),
      };
      return `{"changes":[${rows.map(changeText).join(",")}],${JSON.stringify(rest).slice(1)}`;
    },
  };

  async function search(filter: ChangeFilter, range: { from: number; to: number; limit: number }) {
    const look = () => searchChanges(db, world, filter, range);
    // Of all of it the first look finds enough.
    const { rows, at } = await (isAll(filter) ? look() : searching(look));
    return { rows, next: at === range.to ? null : at };
  }

  async function pageAfter(since: number, limit: number) {
    const rows = await changesSince(read, since, limit + 1);
    const page = rows.slice(0, limit);
    return { rows: page, next: rows.length > limit ? (page.at(-1)?.revision ?? since) : null };
  }
}

const isAll = ({ node, uuid, kind }: ChangeFilter) => node === undefined && uuid === undefined && kind === undefined;

/** A place in a list that has two keys; the texts may hold anything. */
const tokenOf = (...keys: [string, string]) => encode(encodeURIComponent(JSON.stringify(keys)));

function placeOf(token: string | undefined): [string, string] | [] {
  const text = decode(token);
  if (text === undefined) return [];
  let keys: unknown;
  try {
    keys = JSON.parse(decodeURIComponent(text));
  } catch {
    throw badToken();
  }
  const whole = Array.isArray(keys) && keys.length === 2 && keys.every((key) => isStorable(key));
  if (!whole) throw badToken();
  return keys as [string, string]; // checked just now
}

const isStorable = (key: unknown) => typeof key === "string" && !key.includes("\0") && key.isWellFormed();
