import { Exit, NotThere } from "../exit.ts";
import { didYouMean } from "../show/near.ts";
import { printable } from "../text.ts";

/** Too little to mean one: a script's unset variable would mean them all. */
const LEAST = 4;

/** What `sinew get` lists, as one of it and several are called. */
const NOUNS = {
  nodes: ["node", "nodes"],
  hardware: ["device", "devices"],
  sources: ["source", "sources"],
  alarms: ["alarm", "alarms"],
  operations: ["operation", "operations"],
} as const;

/** The words that mean a row. */
export interface Words {
  /** Its id, whose beginning is enough. */
  id: string;
  /** What it is called, in full; the last of them is that of no other. */
  names: string[];
  /** The node it is of. */
  node?: string;
}

/** What is left of `node/n1`, as `-o name` prints it or with another word for the kind; else the word as it is. */
export const bare =
  ({ name, one, aliases }: { name: string; one: string; aliases: string[] }) =>
  (said: string): string => {
    const at = said.indexOf("/");
    return [name, one, ...aliases].includes(said.slice(0, Math.max(at, 0))) ? said.slice(at + 1) : said;
  };

/** Whether a word may be meant as the beginning of an id. */
export const begins = (said: string): boolean => said.length >= LEAST && /^[0-9a-f-]+$/i.test(said);

/** Throws NotThere where no row is meant by a name, an id or the beginning of one, and Exit where more than one is. */
export function theOne<T>(rows: readonly T[], said: string, list: keyof typeof NOUNS, wordsOf: (row: T) => Words): T {
  const wanted = said.toLowerCase();
  const begin = begins(said);
  const found = rows.filter((row) => {
    const { id, names } = wordsOf(row);
    // A name may be the beginning of another's id: then both are meant.
    return names.includes(said) || id === wanted || (begin && id.startsWith(wanted));
  });
  const [one] = found;
  if (one !== undefined && found.length === 1) return one;
  const shown = JSON.stringify(printable(said));
  const [noun, nouns] = NOUNS[list];
  if (found.length > 1) {
    const some = found.slice(0, 5).map((row) => {
      const { id, names } = wordsOf(row);
      return [id, names.at(-1) ?? ""].filter(Boolean).join(" ");
    });
    const more = found.length > some.length ? ", ..." : "";
    const mend = list === "hardware" ? "say NODE/ADDRESS, or more of the id" : "say more of the id";
    const text = `${found.length} ${nouns} have the id or the name ${shown}: ${some.join(", ")}${more}; ${mend}`;
    throw new Exit(1, printable(text));
  }
  if (rows.some((row) => wordsOf(row).node === said)) {
    const hint = `\`sinew get ${list} --node ${said}\` shows what it has`;
    throw new NotThere(printable(`no ${noun} has the id or the name ${shown}, which is a node: ${hint}`));
  }
  const least = wanted.length < LEAST ? `; of an id ${LEAST} characters or more are wanted:` : ":";
  const near = didYouMean(
    said,
    rows.flatMap((row) => wordsOf(row).names),
  );
  throw new NotThere(
    `no ${noun} has the id or the name ${shown}${printable(near) || least} \`sinew get ${list}\` shows them`,
  );
}
