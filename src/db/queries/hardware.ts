import { type AnyColumn, and, asc, between, eq, gt, inArray, lte, max, not, or, sql } from "drizzle-orm";
import { troubleOf } from "../../contract/device/trouble.ts";
import { uuidsFrom } from "../../contract/device/uuid.ts";
import type { WantedLabel } from "../../contract/fleet/labels.ts";
import type { Freshness, Hardware } from "../../contract/hardware.ts";
import { SinewError } from "../../contract/problem.ts";
import { upsert } from "../bulk.ts";
import type { Reader, Writer } from "../connection.ts";
import { padded, textOf } from "../prepared.ts";
import type { HardwareRow, NewHardwareRow, Tables } from "../schema/tables.ts";
import { currentRevision, sourcesRevision } from "./changes.ts";
import { cordonColumn, cordonedOnes, cordonText, type Given, givenTo } from "./fleet/given.ts";
import { holds, labelled, labelTexts } from "./fleet/labels.ts";

export type { HardwareRow, NewHardwareRow } from "../schema/tables.ts";

/** A row as the contract's Hardware JSON: the one way out. The body passes as it came, fields unknown here included. */
export const hardwareText = (row: Pick<HardwareRow, "freshness" | "body"> & { cordon?: string }): string =>
  `{"freshness":${JSON.stringify(row.freshness)},${row.cordon ?? ""}${row.body.slice(1)}`;

/** The Hardware JSON as stored: without freshness, which the row holds. */
export function bodyOf(device: Hardware): string {
  const { freshness: _, ...rest } = device;
  return JSON.stringify(rest);
}

/** The one way in. Give the device as received, not as parsed, so that unknown fields stay in the body. */
export function hardwareRow(device: Hardware, revision: number, body = bodyOf(device)): NewHardwareRow {
  return {
    node_id: device.node.id,
    source: device.source,
    uuid: device.uuid,
    device_type: device.acc_specs.device_type,
    vendor_id: device.pci?.vendor_id ?? null,
    device_id: device.pci?.device_id ?? null,
    ready: device.acc_status.ready,
    freshness: device.freshness,
    path: device.pci?.path ?? null,
    trouble: troubleOf(device),
    revision,
    body,
  };
}

export const hardwareOfNode = (r: Reader, nodeId: string): Promise<HardwareRow[]> =>
  r.query((db, { hardware }) =>
    db.select().from(hardware).where(eq(hardware.node_id, nodeId)).orderBy(asc(hardware.id)),
  );

/** What a report is compared with. */
export type DeviceRow = Pick<HardwareRow, "source" | "uuid" | "freshness" | "path" | "trouble" | "body">;

/** The devices of several nodes, by node. */
export async function devicesOfNodes(r: Reader, nodeIds: string[]): Promise<Map<string, DeviceRow[]>> {
  const ids = padded(nodeIds);
  const text = textOf(r, `devicesOfNodes ${ids.length}`, (db, { hardware }) => {
    const { node_id, source, uuid, freshness, path, trouble, body } = hardware;
    return db
      .select({ node_id, source, uuid, freshness, path, trouble, body })
      .from(hardware)
      .where(inArray(node_id, ids))
      .orderBy(asc(hardware.id));
  });
  const found = new Map<string, DeviceRow[]>();
  if (ids.length === 0) return found;
  for (const [node, source, uuid, freshness, path, trouble, body] of (await r.run(text, ids)) as string[][]) {
    const row = { source, uuid, freshness, path, trouble, body } as DeviceRow; // as the schema declares them
    const rows = found.get(node ?? "");
    if (rows) rows.push(row);
    else found.set(node ?? "", [row]);
  }
  return found;
}

/** More than one row when sources or nodes disagree about who has the device. */
export const hardwareByUuid = (r: Reader, uuid: string): Promise<HardwareRow[]> =>
  r.query((db, { hardware }) => db.select().from(hardware).where(eq(hardware.uuid, uuid)).orderBy(asc(hardware.id)));

/** The one row of this uuid; null: there is none. Throws SinewError ambiguous_uuid naming every source of it. */
export async function oneDevice(r: Reader, uuid: string): Promise<HardwareRow | null> {
  const rows = await hardwareByUuid(r, uuid.toLowerCase());
  if (rows.length < 2) return rows[0] ?? null;
  const named = rows.map(({ node_id, source }) => `${source} on node ${node_id}`).join(" and ");
  throw new SinewError("ambiguous_uuid", `expected one device with uuid ${uuid}, got ${rows.length}: ${named}`);
}

export interface HardwareFilter {
  /** A node's id or name. */
  node?: string;
  device_type?: string;
  vendor_id?: string;
  /** The beginning of its uuid, in lower case. */
  uuid?: string;
  /** Ready as far as is known now: what is STALE is not, whatever it was. */
  ready?: boolean;
  freshness?: Freshness;
  /** Itself, or with its node. */
  cordoned?: boolean;
  /** Of its node. */
  labels?: WantedLabel[];
  /** The type of a condition that may be "false": a device that has it so is found, and few others. */
  condition?: string;
}

/** What a list shows of a device; `cordon` as `cordonText` has it. */
export type ListedRow = Pick<HardwareRow, "id" | "freshness" | "body"> & { cordon: string };

/** One page by id, and the revision at which it was exactly that; the id of its last row is `after` for the next. */
export async function listHardware(
  r: Reader,
  filter: HardwareFilter,
  { after, upTo, limit }: { after?: number | undefined; upTo?: number | undefined; limit: number },
): Promise<{ rows: ListedRow[]; revision: number; sourcesAt: number }> {
  const { node, uuid, device_type, vendor_id, ready, freshness, condition, cordoned } = filter;
  // Each size is a statement that PostgreSQL keeps.
  const labels = padded(filter.labels ?? []);
  const asked = { device_type, vendor_id, ready, freshness, after, upTo };
  const used = Object.entries(asked).flatMap(([name, value]) => (value === undefined ? [] : [{ name, value }]));
  // Few may be wanted, and they are found by their nodes, or by what was given.
  const isBeside = node !== undefined || uuid !== undefined || labels.length > 0 || cordoned === true;
  const more = [
    node === undefined ? "" : "node",
    uuid === undefined ? "" : "uuid",
    `${labels.length} labels`,
    condition === undefined ? "" : "condition",
    cordoned === undefined ? "" : `cordoned ${cordoned}`,
    ready === false ? "or old" : "",
  ];
  const name = `listHardware ${[...used.map((one) => one.name), ...more]}`;
  const text = textOf(r, name, (db, tables) => {
    const { hardware, nodes, meta, given } = tables;
    const cordon = {
      own: cordonColumn(given, "device", '"hardware"."uuid"'),
      nodes: cordonColumn(given, "node", '"hardware"."node_id"'),
    };
    const named = db
      .select({ id: nodes.id })
      .from(nodes)
      .where(or(eq(nodes.id, ""), eq(nodes.name, "")));
    // In one statement, which sees one state of the database: the revision is that of the rows, not about that of them.
    // As numbers: a text for each row would be made for nothing.
    const at = (key: string) =>
      sql`(SELECT CAST(${meta.value} AS bigint) FROM ${meta} WHERE ${meta.key} = ${sql.raw(`'${key}'`)})`;
    const isOut = (wanted: boolean) => {
      const itself = inArray(hardware.uuid, cordonedOnes(db, tables, "device"));
      const out = or(itself, inArray(hardware.node_id, cordonedOnes(db, tables, "node")));
      return wanted ? out : out && not(out);
    };
    const isReady = (wanted: boolean) => {
      const says = eq(own(hardware.ready), wanted);
      if (wanted) return and(says, sql`${own(hardware.freshness)} = 'FRESH'`);
      const old = db.select({ id: hardware.id }).from(hardware).where(sql`${hardware.freshness} IN ('STALE', 'GONE')`);
      const notReady = db.select({ id: hardware.id }).from(hardware).where(eq(hardware.ready, wanted));
      return or(inArray(hardware.id, notReady), inArray(hardware.id, old));
    };
    // SQLite would walk the index of such a column, for nearly all rows, and not that of a node or a uuid: behind a + it has none.
    const own = (column: AnyColumn) =>
      (node ?? uuid) !== undefined && r.dialect === "sqlite" ? sql`+${column}` : sql`${column}`;
    const wanted = and(
      node === undefined ? undefined : inArray(hardware.node_id, named),
      labels.length === 0 ? undefined : inArray(hardware.node_id, labelled(r, tables, labels)),
      uuid === undefined ? undefined : between(hardware.uuid, "", ""),
      device_type === undefined ? undefined : eq(own(hardware.device_type), device_type),
      vendor_id === undefined ? undefined : eq(own(hardware.vendor_id), vendor_id),
      ready === undefined ? undefined : isReady(ready),
      freshness === undefined ? undefined : eq(own(hardware.freshness), freshness),
      cordoned === undefined ? undefined : isOut(cordoned),
      after === undefined ? undefined : gt(own(hardware.id), after),
      upTo === undefined ? undefined : lte(own(hardware.id), upTo),
      ...(condition === undefined ? [] : falseTexts(condition)).map((text) => holds(r.dialect, hardware.body, text)),
    );
    const list = db
      .select({
        ...shown(hardware),
        ...{ revision: at("revision").as("at"), sources: at("sources").as("sources_at") },
        ...{ own: cordon.own.as("own"), nodes: cordon.nodes.as("nodes") },
      })
      .from(hardware)
      .orderBy(asc(hardware.id));
    if (!isBeside) return list.where(wanted).limit(1);
    // These are found in another order: ids alone are sorted, as rows are a kilobyte and more.
    const ids = db
      .select({ id: hardware.id })
      .from(hardware)
      .where(wanted)
      .orderBy(asc(own(hardware.id)))
      .limit(1);
    return list.where(inArray(hardware.id, ids));
  });
  const values = [
    ...(node === undefined ? [] : [node, node]),
    ...labels.flatMap(labelTexts),
    ...(uuid === undefined ? [] : uuidsFrom(uuid)),
    ...used.map(({ value }) => value),
    ...(condition === undefined ? [] : falseTexts(condition)),
    limit,
  ];
  const look = () => r.run(text, r.dialect === "sqlite" ? values.map(asStored) : values);
  let rows = await look();
  let at: unknown[] = rows[0] ?? [];
  if (rows.length === 0) {
    // Nothing says when there was nothing. So first when, and then whether that still is so.
    at = [0, "", "", await currentRevision(r), await sourcesRevision(r)];
    rows = await look();
    at = rows[0] ?? at;
  }
  return {
    rows: (rows as [number, string, string, number, number, string | null, string | null][]).map(
      ([id, freshness, body, , , own, nodes]) => ({
        ...{ id: Number(id), freshness, body },
        cordon: cordonText({ own, nodes }),
      }),
    ),
    revision: Number(at[3]),
    sourcesAt: Number(at[4] ?? 0),
  };
}

/** As `ListedRow` has it, of one device. */
export async function cordonOf(r: Reader, { uuid, node_id }: Pick<HardwareRow, "uuid" | "node_id">): Promise<string> {
  const [own, nodes] = [await givenTo(r, "device", uuid), await givenTo(r, "node", node_id)];
  const text = (given: Given | null) => (given?.cordoned ? JSON.stringify(given.cordoned) : null);
  return cordonText({ own: text(own), nodes: text(nodes) });
}

/** What stands in the JSON of a device that has this condition "false", in whichever order its members came. */
const falseTexts = (condition: string) => [`"type":${JSON.stringify(condition)}`, '"status":"false"'];

/** Whether a device, by its body, has this condition "false". */
export const isFalse = ({ body }: Pick<HardwareRow, "body">, condition: string): boolean =>
  // Written by bodyOf, from a Hardware.
  (JSON.parse(body) as Hardware).acc_status.conditions.some(
    ({ type, status }) => type === condition && status === "false",
  );

/** The number of the newest row; 0: there is none. */
export async function newestHardware(r: Reader): Promise<number> {
  const [row] = await r.query((db, { hardware }) => db.select({ id: max(hardware.id) }).from(hardware));
  return Number(row?.id ?? 0);
}

const shown = ({ id, freshness, body }: Tables["hardware"]) => ({ id, freshness, body });

/** SQLite has no booleans. */
const asStored = (value: string | number | boolean) => (typeof value === "boolean" ? Number(value) : value);

/** Adds devices, or replaces those with the same node, source and uuid; a replaced one keeps its id. */
export const saveHardware = (w: Writer, rows: NewHardwareRow[]): Promise<void> =>
  upsert(w, w.tables.hardware, ["node_id", "source", "uuid"], rows);
