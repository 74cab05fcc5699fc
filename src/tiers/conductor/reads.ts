import type { Node, NodeState } from "../../contract/node.ts";
import { SinewError } from "../../contract/problem.ts";
import type { Database } from "../../db/database.ts";
import { changesSince, changeText } from "../../db/queries/changes.ts";
import { type HardwareFilter, hardwareByUuid, hardwareText, listHardware } from "../../db/queries/hardware.ts";
import { listNodes, toNode } from "../../db/queries/nodes.ts";
import { failedSources, sourcesSummary, toSource } from "../../db/queries/sources.ts";
import { checkPosition } from "./feed/position.ts";
import { decode, encode, type Paging, positionOf } from "./paging.ts";

/** The conductor lists this many of the sources that are not OK; the summary counts all. */
const SOURCES_SHOWN = 100;

/** What the fleet's readers ask for, from the database alone. Texts are JSON bodies. */
export interface Reads {
  revision(): Promise<number>;
  hardware(filter: HardwareFilter, paging: Paging): Promise<{ text: string; revision: number }>;
  /** Null: no such device. Throws SinewError ambiguous_uuid naming every source of it. */
  device(uuid: string): Promise<string | null>;
  /** Which node has a device. Throws SinewError not_found, and ambiguous_uuid as `device`. */
  whereabouts(uuid: string): Promise<{ node: string; freshness: string }>;
  nodes(
    filter: { state?: NodeState },
    paging: Paging,
  ): Promise<{ nodes: Node[]; revision: number; next_page_token?: string }>;
  /** Throws SinewError epoch for a position of another history, too_old for one that is no longer kept. */
  changes(since: number, options: Paging & { epoch?: string }): Promise<string>;
}

export function createReads(db: Database): Reads {
  const { read } = db;

  /** The one row of this uuid, or null. */
  async function oneRow(uuid: string) {
    const rows = await hardwareByUuid(read, uuid.toLowerCase());
    if (rows.length < 2) return rows[0] ?? null;
    const named = rows.map(({ node_id, source }) => `${source} on node ${node_id}`).join(" and ");
    throw new SinewError("ambiguous_uuid", `expected one device with uuid ${uuid}, got ${rows.length}: ${named}`);
  }

  /** Members of the list's JSON about the sources that are not OK, and of all how many are. */
  async function sourcesText(node?: string): Promise<string> {
    const failed = await failedSources(read, SOURCES_SHOWN, node);
    const sources = failed.map((row) => ({ ...toSource(row), node: { id: row.node_id, name: row.node_name } }));
    return JSON.stringify({ sources, sources_summary: await sourcesSummary(read, node) }).slice(1, -1);
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
      const { rows, revision, sourcesAt } = await listHardware(read, filter, { after, limit: limit + 1 });
      const page = rows.slice(0, limit);
      const rest = {
        generation: String(revision),
        revision,
        ...(rows.length > limit ? { next_page_token: encode(String(page.at(-1)?.id)) } : {}),
      };
      const sources = filter.node === undefined ? await fleetSources(sourcesAt) : await sourcesText(filter.node);
      // The bodies are JSON text already: put together, never parsed.
      const text = `{"hardware":[${page.map(hardwareText).join(",")}],${sources},${JSON.stringify(rest).slice(1)}`;
      return { text, revision };
    },

    async device(uuid) {
      const row = await oneRow(uuid);
      return row && hardwareText(row);
    },

    async whereabouts(uuid) {
      const row = await oneRow(uuid);
      if (row) return { node: row.node_id, freshness: row.freshness };
      throw new SinewError("not_found", `no device ${uuid} is in the fleet`);
    },

    async nodes(filter, { limit, page_token }) {
      const { rows, revision } = await listNodes(read, { ...filter, after: decode(page_token), limit: limit + 1 });
      const nodes = rows.slice(0, limit).map(toNode);
      const last = rows.length > limit ? nodes.at(-1) : undefined;
      return { nodes, revision, ...(last ? { next_page_token: encode(last.id) } : {}) };
    },

    async changes(first, { limit, page_token, epoch }) {
      const since = positionOf(decode(page_token)) ?? first;
      const newest = await db.revision();
      const rows = await changesSince(read, since, limit + 1);
      // After the rows: what was still kept now was there when they were read.
      await checkPosition(db, since, { epoch, newest });
      const page = rows.slice(0, limit);
      const last = page.at(-1)?.revision ?? since;
      const rest = {
        revision: Math.max(newest, last),
        epoch: db.epoch,
        ...(rows.length > limit ? { next_page_token: encode(String(last)) } : {}),
      };
      return `{"changes":[${page.map(changeText).join(",")}],${JSON.stringify(rest).slice(1)}`;
    },
  };
}
