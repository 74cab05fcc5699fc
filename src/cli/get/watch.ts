import { Away } from "../exit.ts";
import { writeError } from "../host/stderr.ts";
import type { Conductor } from "../operator/conductor.ts";
import { follow, sleep } from "../operator/follow.ts";
import { print } from "../output.ts";
import { json } from "../show/json.ts";
import { yaml } from "../show/yaml.ts";
import { oneWord, printable } from "../text.ts";
import { columnsOf, tableText } from "./columns.ts";
import type { Asking, Kind, Listed } from "./kind.ts";
import { colours, type Output, plainOf } from "./show.ts";

/** What the feed says nothing of is asked so often. */
const ASK_MS = 2_000;
/** When each was heard last is asked for so often, or when the feed says something next: that is every 15 s. */
const HEARD_MS = 10_000;

/** How rows are shown that change: each is told as it is then, and those that are in no list any more. */
export interface Screen<T> {
  rows(rows: T[]): Promise<void>;
  forgotten(rows: T[]): Promise<void>;
  /** They have been told once more, and are not among those asked for any more. */
  left(rows: T[]): void;
  /** Nothing has become of these but that they were heard again; a screen that cannot take a line back does without. */
  heard?(rows: T[]): void;
  /** The conductor is away: what is shown may be old. */
  lost(why: string): Promise<void>;
}

/** Shows the rows that are asked for and goes on with each that changes, until `signal`. Throws Exit where it is refused. */
export async function watch<T>(
  conductor: Conductor,
  kind: Kind<T>,
  asking: Asking<T>,
  { screen, signal }: { screen: Screen<T>; signal: AbortSignal },
): Promise<void> {
  const known = new Map<string, { row: T; text: string }>();

  /** Which of the rows are new or other than they were. */
  function taken(rows: readonly T[]): T[] {
    // A log says each once, and to keep it all would have no end.
    if (kind.log) return [...rows];
    return rows.filter((row) => {
      const text = JSON.stringify(row);
      const key = kind.key(row);
      if (known.get(key)?.text === text) return false;
      known.set(key, { row, text });
      return true;
    });
  }

  /** A node goes with a line for each of its devices: none of these looks at all rows. */
  function gone(forgotten: string | ((row: T) => boolean)): T[] {
    if (typeof forgotten !== "string") return [...known.values()].map(({ row }) => row).filter(forgotten);
    const found = known.get(forgotten);
    return found ? [found.row] : [];
  }

  async function listed(): Promise<Listed<T>> {
    const list = await asking.list();
    const keys = new Set(list.rows.map((row) => kind.key(row)));
    const away = [...known].filter(([key]) => !keys.has(key));
    for (const [key] of away) known.delete(key);
    await screen.rows(taken(list.rows));
    if (away.length > 0) await screen.forgotten(away.map(([, { row }]) => row));
    return list;
  }

  let heardAt = performance.now();

  /** Between two changes: what was listed then is older than none that has been shown. */
  async function hear(): Promise<void> {
    if (!kind.heard || !screen.heard || performance.now() - heardAt < HEARD_MS) return;
    const { rows } = await answered(() => asking.list());
    heardAt = performance.now();
    const own = rows.filter((row) => known.has(kind.key(row)));
    for (const row of own) known.set(kind.key(row), { row, text: JSON.stringify(row) });
    screen.heard(own);
  }

  /** The conductor may go away in the middle: what is asked about a change is asked until it is answered. */
  async function answered<R>(work: () => Promise<R>): Promise<R> {
    for (;;) {
      try {
        return await work();
      } catch (error) {
        if (!(error instanceof Away) || signal.aborted) throw error;
        await screen.lost(error.message);
        await sleep(ASK_MS, signal);
      }
    }
  }

  let { revision } = await listed();
  if (!kind.inFeed) {
    while (!signal.aborted) {
      await sleep(ASK_MS, signal);
      await answered(listed);
    }
    return;
  }
  for await (const news of follow(conductor.where, { from: () => revision, signal })) {
    if (news.kind === "lost") await screen.lost(news.why);
    else if (news.kind === "listAgain") revision = (await answered(listed)).revision;
    if (news.kind !== "lost") await hear();
    if (news.kind !== "change") continue;
    const { rows, forgotten } = await answered(() => asking.touched(news.change));
    // One that was not asked for before and is not now is none of these; one that leaves is told once more, as it is now.
    const own = rows.filter(({ row, leaves }) => !leaves || known.has(kind.key(row)));
    const changed = taken(own.map(({ row }) => row));
    if (changed.length > 0) await screen.rows(changed);
    const left = own.filter(({ leaves }) => leaves).map(({ row }) => row);
    for (const row of left) known.delete(kind.key(row));
    screen.left(left);
    if (!forgotten) continue;
    const away = gone(forgotten);
    for (const row of away) known.delete(kind.key(row));
    if (away.length > 0) await screen.forgotten(away);
  }
}

/** For a pipe or a file: a line, or a document, for each row that changed. */
export function lines<T>(
  conductor: Conductor,
  kind: Kind<T>,
  { output, headings }: { output: Output; headings: boolean },
): Screen<T> {
  let first = headings;
  const widths: number[] = [];
  return {
    async rows(rows) {
      if (rows.length === 0) return;
      if (output === "json") return print(rows.map((row) => `${json(plainOf(kind, row))}\n`).join(""));
      if (output === "yaml") return print(rows.map((row) => `---\n${yaml(plainOf(kind, row))}`).join(""));
      if (output === "name")
        return print(rows.map((row) => `${oneWord(`${kind.one}/${kind.handle(row)}`)}\n`).join(""));
      const columns = columnsOf(kind, output === "wide");
      const text = tableText(columns, rows, { now: conductor.now() }, { headings: first, colour: colours(), widths });
      first = false;
      await print(text);
    },
    async forgotten(rows) {
      for (const row of rows)
        writeError(`sinew: ${printable(`${kind.one}/${kind.handle(row)}`)} is in no list any more\n`);
    },
    left() {},
    lost: async (why) => writeError(`sinew: ${why}; trying again\n`),
  };
}
