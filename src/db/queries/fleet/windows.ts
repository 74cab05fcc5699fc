import { asc, eq } from "drizzle-orm";
import type { Window } from "../../../contract/fleet/window.ts";
import type { Reader, Writer } from "../../connection.ts";
import type { WindowRow } from "../../schema/tables.ts";
import { reserveRevisions } from "../changes.ts";

const toWindow = (row: WindowRow): Window => ({ ...row, matcher: JSON.parse(row.matcher) as Window["matcher"] }); // written by `addWindow` alone

/** The first to begin first. */
export const listWindows = (r: Reader): Promise<Window[]> =>
  r
    .query((db, { windows }) => db.select().from(windows).orderBy(asc(windows.starts_at), asc(windows.id)))
    .then((rows) => rows.map(toWindow));

/** The revision rises with it: whoever looks at alarms looks again. */
export async function addWindow(w: Writer, window: Window): Promise<void> {
  await w.query((db, { windows }) => db.insert(windows).values({ ...window, matcher: JSON.stringify(window.matcher) }));
  await reserveRevisions(w, 1);
}

/** False: there is none. */
export async function deleteWindow(w: Writer, id: string): Promise<boolean> {
  const gone = await w.query((db, { windows }) =>
    db.delete(windows).where(eq(windows.id, id)).returning({ id: windows.id }),
  );
  if (gone.length > 0) await reserveRevisions(w, 1);
  return gone.length > 0;
}
