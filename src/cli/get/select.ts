import { Exit } from "../exit.ts";
import { didYouMean } from "../show/near.ts";
import { printable } from "../text.ts";

/** Too little to mean one: a script's unset variable would mean them all. */
const LEAST = 4;

/** The words that mean a row. */
export interface Words {
  /** Its id, whose beginning is enough. */
  id: string;
  /** What it is called, in full. */
  names: string[];
}

/**
 * The one row that is meant by a name, an id or the beginning of one; `what`: a word for it, such as `node`. Throws Exit where
 * it is none, or more than one.
 */
export function theOne<T>(rows: readonly T[], said: string, what: string, wordsOf: (row: T) => Words): T {
  const wanted = said.toLowerCase();
  const named = rows.filter((row) => wordsOf(row).names.includes(said) || wordsOf(row).id === wanted);
  const begins = wanted.length >= LEAST && /^[0-9a-f-]+$/.test(wanted);
  const found = named.length > 0 || !begins ? named : rows.filter((row) => wordsOf(row).id.startsWith(wanted));
  const [one] = found;
  if (one !== undefined && found.length === 1) return one;
  const shown = JSON.stringify(printable(said));
  if (found.length > 1) {
    const some = found.slice(0, 5).map((row) => wordsOf(row).id);
    const more = found.length > some.length ? ", ..." : "";
    throw new Exit(
      1,
      `${found.length} of ${what} have the id or the name ${shown}: ${some.join(", ")}${more}; say more of the id`,
    );
  }
  const least = wanted.length < LEAST ? `; of an id ${LEAST} characters or more are wanted:` : ":";
  const near = didYouMean(
    said,
    rows.flatMap((row) => wordsOf(row).names),
  );
  throw new Exit(
    1,
    `no ${what} has the id or the name ${shown}${printable(near) || least} \`sinew get ${what}\` shows them`,
  );
}
