import type { Database } from "../../../db/database.ts";
import {
  type ChangeFilter,
  type ChangeRow,
  changesSince,
  changeText,
  isWanted,
  keptAfter,
} from "../../../db/queries/changes.ts";

/** Consecutive changes as the events of a stream, made once for all who follow. */
export interface Page {
  /** Every change after this revision, up to `last`, is in it. */
  after: number;
  last: number;
  /** Of each event its revision, and where it ends in `bytes`. */
  revisions: number[];
  ends: number[];
  bytes: Uint8Array;
  /** Of each event what it is about, for those who follow a part. */
  about: Pick<ChangeRow, "node_id" | "node_name" | "uuid" | "kind">[];
}

/** Changes read at once: some hundred kilobytes. */
export const PAGE = 250;

const encoder = new TextEncoder();

/** A change as one event (HTML standard, 9.2.6): JSON text has no line breaks of its own. */
const eventText = (row: ChangeRow) => `id: ${row.revision}\nevent: ${row.kind}\ndata: ${changeText(row)}\n\n`;

/** The next changes after a revision; null: there are none yet. "too old": retention has been faster. */
export async function readPage(db: Database, after: number): Promise<Page | null | "too old"> {
  const rows = await changesSince(db.read, after, PAGE);
  // After the rows: what was still kept now was there when they were read.
  if ((await keptAfter(db.read)) > after) return "too old";
  return rows.length === 0 ? null : toPage(after, rows);
}

function toPage(after: number, rows: ChangeRow[]): Page {
  const events = rows.map((row) => encoder.encode(eventText(row)));
  const ends: number[] = [];
  let size = 0;
  for (const event of events) {
    size += event.byteLength;
    ends.push(size);
  }
  const bytes = new Uint8Array(size);
  for (const [index, event] of events.entries()) bytes.set(event, (ends[index] ?? 0) - event.byteLength);
  const revisions = rows.map(({ revision }) => revision);
  const about = rows.map(({ node_id, node_name, uuid, kind }) => ({ node_id, node_name, uuid, kind }));
  return { after, last: revisions.at(-1) ?? after, revisions, ends, bytes, about };
}

/** What of a page is new to one who has read up to `at`; null: all of it is asked for. */
export function newIn(page: Page, at: number, filter: ChangeFilter | null): Uint8Array {
  const { after, revisions, ends, bytes } = page;
  const found = at <= after ? 0 : revisions.findIndex((revision) => revision > at);
  const first = found < 0 ? revisions.length : found;
  const startOf = (index: number) => (index === 0 ? 0 : (ends[index - 1] ?? bytes.byteLength));
  if (filter === null) return first === 0 ? bytes : bytes.subarray(startOf(first));
  const parts = page.about.flatMap((about, index) =>
    index >= first && isWanted(filter, about) ? [bytes.subarray(startOf(index), ends[index])] : [],
  );
  return joined(parts);
}

function joined(parts: Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(parts.reduce((size, part) => size + part.byteLength, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.byteLength;
  }
  return bytes;
}

/** That all up to here was read, and nothing of it was asked for (HTML standard, 9.2.6: no event, and an id all the same). */
export const positionText = (at: number): Uint8Array => encoder.encode(`: up to here\nid: ${at}\n\n`);
