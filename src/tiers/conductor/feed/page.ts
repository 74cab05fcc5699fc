import type { Database } from "../../../db/database.ts";
import { type ChangeRow, changesSince, changeText, keptAfter } from "../../../db/queries/changes.ts";

/** Consecutive changes as the events of a stream, made once for all who follow. */
export interface Page {
  /** Every change after this revision, up to `last`, is in it. */
  after: number;
  last: number;
  /** Of each event its revision, and where it ends in `bytes`. */
  revisions: number[];
  ends: number[];
  bytes: Uint8Array;
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
  return { after, last: revisions.at(-1) ?? after, revisions, ends, bytes };
}

/** What of a page is new to one who has read up to `at`. */
export function newIn({ after, revisions, ends, bytes }: Page, at: number): Uint8Array {
  if (at <= after) return bytes;
  const first = revisions.findIndex((revision) => revision > at);
  return first < 0 ? new Uint8Array() : bytes.subarray(first === 0 ? 0 : ends[first - 1]);
}
