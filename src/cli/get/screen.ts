import type { Conductor } from "../operator/conductor.ts";
import { print } from "../output.ts";
import { columnsOf, tableText } from "./columns.ts";
import type { Kind } from "./kind.ts";
import { colours, moreText, screenful, sizeOf } from "./show.ts";
import type { Screen } from "./watch.ts";

/** Ages count on by themselves. */
const EVERY_MS = 1_000;

/** For a terminal: the table in its place, drawn again as rows change; those that changed last are bold. */
export function drawn<T>(
  conductor: Conductor,
  kind: Kind<T>,
  { wide, headings, none }: { wide: boolean; headings: boolean; none: string },
): Screen<T> {
  const shown = new Map<string, T>();
  let changed = new Set<string>();
  let away: string | null = null;
  let waiting = false;

  async function draw() {
    const { height, width } = sizeOf(process.stdout);
    const places = Math.max(1, height - (headings ? 1 : 0) - (away === null ? 1 : 2));
    const visible = [...shown].slice(0, places);
    const look = { now: conductor.now() };
    const rows = visible.map(([, row]) => row);
    const text = tableText(columnsOf(kind, wide), rows, look, { headings, colour: colours(), width });
    const bold = visible.map(([key]) => changed.has(key));
    const lines = text.split("\n").slice(0, -1);
    const out = lines.map((line, at) => (colours() && bold[at - (headings ? 1 : 0)] ? `\x1b[1m${line}\x1b[22m` : line));
    if (shown.size > visible.length) out.push(moreText(shown.size - visible.length).slice(0, width));
    if (away !== null) out.push(`${away}; trying again`.slice(0, width));
    if (out.length === 0) out.push(none);
    await print(screenful(out));
  }

  function soon() {
    if (waiting) return;
    waiting = true;
    // What comes together is drawn together.
    setTimeout(() => {
      waiting = false;
      void draw();
    }, 50);
  }
  // The watch itself keeps the program alive.
  setInterval(soon, EVERY_MS).unref();

  return {
    async rows(rows) {
      away = null;
      const before = shown.size > 0;
      for (const row of rows) shown.set(kind.key(row), row);
      changed = new Set(before ? rows.map((row) => kind.key(row)) : []);
      soon();
    },
    async forgotten(rows) {
      for (const row of rows) shown.delete(kind.key(row));
      soon();
    },
    heard(rows) {
      for (const row of rows) shown.set(kind.key(row), row);
      soon();
    },
    async lost(why) {
      away = why;
      soon();
    },
    left(rows) {
      for (const row of rows) shown.delete(kind.key(row));
      soon();
    },
  };
}
