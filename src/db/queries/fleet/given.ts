import { and, asc, eq, gt, inArray, isNotNull, isNull, sql } from "drizzle-orm";
import type { Cordon, DeviceCordon, Said } from "../../../contract/fleet/given.ts";
import { upsert } from "../../bulk.ts";
import type { Reader, Writer } from "../../connection.ts";
import { chunked, padded, rowsOf, textOf } from "../../prepared.ts";
import type { GivenRow, Tables } from "../../schema/tables.ts";

export type { GivenRow } from "../../schema/tables.ts";

/** What an operator gave to a node or a device. */
export interface Given {
  name: string | null;
  labels: Said["labels"] | null;
  cordoned: Cordon | null;
  /** Where a name or labels were given. */
  said: Said | null;
}

export const NOTHING: Given = { name: null, labels: null, cordoned: null, said: null };

// Written by `saveGiven` alone: what is read here was typed there.
export const toGiven = ({ name, labels, cordoned, said }: GivenRow): Given => ({
  name,
  labels: labels === null ? null : (JSON.parse(labels) as Said["labels"]),
  cordoned: cordoned === null ? null : (JSON.parse(cordoned) as Cordon),
  said: said === null ? null : (JSON.parse(said) as Said),
});

const text = (value: unknown) => (value === null ? null : JSON.stringify(value));

export type Of = "node" | "device";

export async function givenTo(r: Reader, of: Of, id: string): Promise<Given | null> {
  const query = textOf(r, "givenTo", (db, { given }) =>
    db
      .select()
      .from(given)
      .where(and(eq(given.of, ""), eq(given.id, ""))),
  );
  const [row] = rowsOf(r.tables.given, await r.run(query, [of, id]));
  return row ? toGiven(row) : null;
}

export const saveGiven = (w: Writer, of: Of, id: string, { name, ...rest }: Given, revision: number): Promise<void> => {
  const { labels, cordoned, said } = rest;
  const row = { of, id, name, labels: text(labels), cordoned: text(cordoned), said: text(said), revision };
  return upsert(w, w.tables.given, ["of", "id"], [row]);
};

/** What was given to nodes after a revision, oldest first. What is forgotten is not told. */
export const givenSince = (r: Reader, revision: number): Promise<GivenRow[]> =>
  r.query((db, { given }) =>
    db
      .select()
      .from(given)
      .where(and(gt(given.revision, revision), eq(given.of, "node")))
      .orderBy(asc(given.revision)),
  );

/** Gives to one node what was given to another that stood for it, unless it has something of its own. */
export async function moveGiven(w: Writer, from: string, to: string): Promise<void> {
  if ((await givenTo(w, "node", from)) === null || (await givenTo(w, "node", to)) !== null) return;
  await w.query((db, { given }) =>
    db
      .update(given)
      .set({ id: to })
      .where(and(eq(given.of, "node"), eq(given.id, from))),
  );
}

export async function forgetGiven(w: Writer, of: Of, ids: readonly string[]): Promise<void> {
  await chunked(ids, (some) => {
    const keys = padded(some);
    const query = textOf(w, `forgetGiven ${keys.length}`, (_, { given }) =>
      w.builder.delete(given).where(and(eq(given.of, ""), inArray(given.id, keys))),
    );
    return w.run(query, [of, ...keys]);
  });
}

/** Of these, those that are out of service themselves. */
export async function cordonedOf(r: Reader, of: Of, ids: readonly string[]): Promise<Set<string>> {
  const rows = await chunked(ids, (some) => {
    const keys = padded(some);
    const query = textOf(r, `cordonedOf ${keys.length}`, (db, { given }) =>
      db
        .select({ id: given.id })
        .from(given)
        .where(and(eq(given.of, ""), inArray(given.id, keys), isNotNull(given.cordoned))),
    );
    return r.run(query, [of, ...keys]) as Promise<string[][]>;
  });
  return new Set(rows.flatMap(([id]) => id ?? []));
}

/** Joins nodes with what was given to them. */
export const ofNode = ({ given, nodes }: Tables) => and(eq(given.of, "node"), eq(given.id, nodes.id));

/** Nodes or devices that are out of service themselves, as a subquery without parameters. */
export const cordonedOnes = (db: Reader["builder"], { given }: Tables, of: Of) =>
  db
    .select({ id: given.id })
    .from(given)
    .where(and(eq(given.of, sql.raw(`'${of}'`)), isNotNull(given.cordoned)));

/** What says that a node or a device is out of service; `id` is its column as the statement around this has it. */
export const cordonColumn = ({ cordoned, of, id: own }: Tables["given"], what: Of, id: string) => {
  const given = sql.raw('"given"'); // the table's object would bring its columns
  return sql<
    string | null
  >`(SELECT ${cordoned} FROM ${given} WHERE ${of} = ${sql.raw(`'${what}'`)} AND ${own} = ${sql.raw(id)})`;
};

/** What a node says it is called, where it was given another name; null: what is shown is that. */
export const saysColumn = ({ said, of, id: own }: Tables["given"], id: string) =>
  sql<string | null>`(SELECT ${said} FROM ${sql.raw('"given"')} WHERE ${of} = 'node' AND ${own} = ${sql.raw(id)})`;

export const nameIn = (said: string | null): string | null => (said === null ? null : (JSON.parse(said) as Said).name); // written from one

export const isCordoned = ({ given }: Pick<Tables, "given">, wanted: boolean) =>
  wanted ? isNotNull(given.cordoned) : isNull(given.cordoned);

/** A device's part of its JSON that says it is out of service, by what it and its node were given: its own comes first. */
export function cordonText({ own, nodes }: { own: string | null; nodes: string | null }): string {
  const of: DeviceCordon["of"] = own === null ? "node" : "device";
  const found = own ?? nodes;
  return found === null ? "" : `"cordoned":${found.slice(0, -1)},"of":"${of}"},`;
}
