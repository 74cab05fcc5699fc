import type { Reader } from "./connection.ts";
import type { Tables } from "./schema/tables.ts";

/** By the tables' object, of which each dialect has its own. */
const texts = new WeakMap<Tables, Map<string, string>>();

/**
 * The text of a statement that is asked often: drizzle makes it once for each `name`, and `Reader.run` sends it. Building
 * it anew, and making objects of the rows, costs more than the statement. `build` gives any value as a parameter: only
 * the text is taken, and `run` is given the values in the order in which they stand in it.
 */
export function textOf(
  r: Reader,
  name: string,
  build: (db: Reader["builder"], tables: Tables) => { toSQL(): { sql: string } },
): string {
  const known = texts.get(r.tables) ?? new Map<string, string>();
  texts.set(r.tables, known);
  const text = known.get(name) ?? build(r.builder, r.tables).toSQL().sql;
  known.set(name, text);
  return text;
}
