import { Exit } from "../exit.ts";

const LEAST = 4;

/** Whose id begins so. Throws Exit where too little is said to mean one: a script's unset variable would mean them all. */
export function beginningOf(beginning: string): (one: { id: string }) => boolean {
  if (beginning.length < LEAST)
    throw new Exit(2, `<ID>: expected ${LEAST} characters of an id or more, found ${JSON.stringify(beginning)}`);
  return ({ id }) => id.startsWith(beginning.toLowerCase());
}
