import { type AnyColumn, and, type SQL, sql } from "drizzle-orm";
import type { WantedLabel } from "../../../contract/fleet/labels.ts";
import type { Dialect, Reader } from "../../connection.ts";
import type { Tables } from "../../schema/tables.ts";

/** Whether a text is part of a column's, by letter. */
export const holds = (dialect: Dialect, column: AnyColumn, text: string): SQL =>
  dialect === "sqlite" ? sql`instr(${column}, ${text}) > 0` : sql`strpos(${column}, ${text}) > 0`;

/** The JSON texts of which one stands in the labels of a node that has this one: it is the first, or not. */
export function labelTexts({ name, value }: WantedLabel): [string, string] {
  const text = `${JSON.stringify(name)}:${value === null ? "" : JSON.stringify(value)}`;
  return [`{${text}`, `,${text}`];
}

/**
 * Whether a node has all of these labels. By text, which is the same in both dialects and takes any: PostgreSQL's own JSON
 * refuses the escape of U+0000. Behind `{"` or `,"` begins a name, or what comes after a text that ends so; the names that
 * this could be are none that can be asked for.
 */
export const hasLabels = (dialect: Dialect, { labels }: Pick<Tables["nodes"], "labels">, wanted: WantedLabel[]) =>
  and(
    ...wanted.map((one) => {
      const [first, later] = labelTexts(one);
      return sql`(${holds(dialect, labels, first)} OR ${holds(dialect, labels, later)})`;
    }),
  );

/** Nodes that have all of these labels, as a subquery: looked at once a node, whatever is joined with it. */
export const labelled = ({ builder, dialect }: Reader, { nodes }: Pick<Tables, "nodes">, wanted: WantedLabel[]) =>
  builder
    .select({ id: nodes.id })
    .from(nodes)
    .where(hasLabels(dialect, nodes, wanted));
