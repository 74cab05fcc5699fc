import { sql } from "drizzle-orm";
import type { Columns } from "./columns-sqlite.ts";

/** The one definition of the database. `bun scripts/migrations.ts` turns an edit here into migrations for both dialects. */
export function defineTables({ table, text, bigint, counter, boolean, id, primaryKey, index, uniqueIndex }: Columns) {
  const nodes = table(
    "nodes",
    {
      id: text("id").primaryKey(),
      name: text("name").notNull(),
      state: text("state").notNull(),
      /** JSON */
      labels: text("labels").notNull(),
      endpoint: text("endpoint"),
      last_seen: text("last_seen"),
      /** JSON */
      api: text("api"),
      generation: text("generation"),
      boot_id: text("boot_id"),
      first_seen: text("first_seen").notNull(),
      revision: bigint("revision").notNull(),
      /** Thumbprint of the key that the node joined with. */
      key: text("key"),
      /** JSON of what this conductor says of the node; null: nothing */
      conditions: text("conditions"),
      /** JSON of what the node says of itself; null: nothing */
      reported: text("reported"),
      /** The conductor that asks it, and that says when it is LOST; null: none yet */
      owner: text("owner"),
      /** Counts its signs of life: a conductor that did not hear them sees the number change, and looks at its own clock. */
      renewals: counter("renewals"),
    },
    (t) => [
      index("nodes_owner").on(t.owner, t.id),
      index("nodes_name").on(t.name),
      index("nodes_state").on(t.state, t.id),
      // One key is one node, whatever two conductors do at the same time.
      uniqueIndex("nodes_key").on(t.key),
    ],
  );

  const sources = table(
    "sources",
    {
      node_id: text("node_id")
        .notNull()
        .references(() => nodes.id),
      name: text("name").notNull(),
      type: text("type"),
      endpoint: text("endpoint"),
      status: text("status").notNull(),
      observed_at: text("observed_at"),
      count: bigint("count").notNull(),
      error_code: text("error_code"),
      error_message: text("error_message"),
    },
    (t) => [
      primaryKey({ name: "sources_pk", columns: [t.node_id, t.name] }),
      index("sources_status").on(t.status, t.node_id),
    ],
  );

  const hardware = table(
    "hardware",
    {
      id: id("id"),
      node_id: text("node_id")
        .notNull()
        .references(() => nodes.id),
      source: text("source").notNull(),
      uuid: text("uuid").notNull(),
      device_type: text("device_type").notNull(),
      vendor_id: text("vendor_id"),
      device_id: text("device_id"),
      ready: boolean("ready").notNull(),
      freshness: text("freshness").notNull(),
      path: text("path"),
      revision: bigint("revision").notNull(),
      /** The types of the conditions that alarm, with commas between; null: none */
      trouble: text("trouble"),
      /** The Hardware JSON without `freshness`, so that a node falling silent rewrites no body. */
      body: text("body").notNull(),
    },
    (t) => [
      uniqueIndex("hardware_key").on(t.node_id, t.source, t.uuid),
      index("hardware_uuid").on(t.uuid),
      // The id last: a filtered page is one walk along an index, in page order.
      index("hardware_device_type").on(t.device_type, t.id),
      index("hardware_vendor_id").on(t.vendor_id, t.id),
      index("hardware_ready").on(t.ready, t.id),
      index("hardware_freshness").on(t.freshness, t.id),
      index("hardware_trouble").on(t.trouble, t.id).where(sql`trouble IS NOT NULL`),
    ],
  );

  const changes = table("changes", {
    revision: bigint("revision").primaryKey(),
    time: text("time").notNull(),
    kind: text("kind").notNull(),
    node_id: text("node_id").notNull(),
    node_name: text("node_name").notNull(),
    source: text("source"),
    uuid: text("uuid"),
    state: text("state"),
    /** The complete Hardware JSON as of this revision. */
    body: text("body"),
  });

  const operations = table(
    "operations",
    {
      uuid: text("uuid").primaryKey(),
      kind: text("kind").notNull(),
      status: text("status").notNull(),
      started_at: text("started_at").notNull(),
      finished_at: text("finished_at"),
      /** JSON */
      children: text("children").notNull(),
      /** The conductor that carries it out */
      owner: text("owner"),
      /** JSON of what was asked for */
      request: text("request"),
    },
    (t) => [index("operations_started_at").on(t.started_at)],
  );

  const tokens = table("tokens", {
    id: text("id").primaryKey(),
    role: text("role").notNull(),
    name: text("name"),
    bound_to: text("bound_to"),
    hash: text("hash").notNull(),
    created_at: text("created_at").notNull(),
    expires_at: text("expires_at"),
    uses_left: bigint("uses_left"),
  });

  const audit = table("audit", {
    id: id("id"),
    time: text("time").notNull(),
    kind: text("kind").notNull(),
    caller: text("caller").notNull(),
    role: text("role").notNull(),
    address: text("address"),
    method: text("method").notNull(),
    path: text("path").notNull(),
    status: bigint("status").notNull(),
    code: text("code"),
    count: bigint("count").notNull(),
    request_id: text("request_id"),
  });

  /** Who serves this database. A conductor whose `renewals` have stood still for its lease is dead. */
  const conductors = table("conductors", {
    id: text("id").primaryKey(),
    /** One run of it: another one with the same id is found out. */
    session: text("session").notNull(),
    renewals: bigint("renewals").notNull(),
    ttl_ms: bigint("ttl_ms").notNull(),
    leaving: boolean("leaving").notNull(),
    name: text("name").notNull(),
    endpoint: text("endpoint"),
    version: text("version").notNull(),
    started_at: text("started_at").notNull(),
  });

  /** What one conductor asks of a node whose link another one holds. */
  const requests = table(
    "requests",
    {
      id: text("id").primaryKey(),
      owner: text("owner").notNull(),
      asker: text("asker").notNull(),
      node_id: text("node_id").notNull(),
      kind: text("kind").notNull(),
      /** JSON */
      request: text("request").notNull(),
      /** JSON; null until it is answered */
      response: text("response"),
      created_at: text("created_at").notNull(),
    },
    (t) => [index("requests_owner").on(t.owner, t.id), index("requests_asker").on(t.asker, t.id)],
  );

  const alarms = table(
    "alarms",
    {
      position: id("position"),
      id: text("id").notNull(),
      fingerprint: text("fingerprint").notNull(),
      /** The fingerprint until the alarm is resolved, then null: one trouble is one alarm, whoever sees it first. */
      open: text("open"),
      kind: text("kind").notNull(),
      state: text("state").notNull(),
      severity: text("severity").notNull(),
      node_id: text("node_id"),
      node_name: text("node_name"),
      source: text("source"),
      uuid: text("uuid"),
      since: text("since").notNull(),
      fired_at: text("fired_at"),
      resolved_at: text("resolved_at"),
      /** JSON of the rest: reason, message, action, members, acknowledgement */
      body: text("body").notNull(),
      revision: bigint("revision").notNull(),
    },
    (t) => [
      uniqueIndex("alarms_id").on(t.id),
      uniqueIndex("alarms_open").on(t.open),
      index("alarms_state").on(t.state, t.position),
      index("alarms_node").on(t.node_id, t.state),
    ],
  );

  /** Maintenance: nobody is notified meanwhile of what it matches. */
  const windows = table("windows", {
    id: text("id").primaryKey(),
    starts_at: text("starts_at").notNull(),
    ends_at: text("ends_at").notNull(),
    /** JSON */
    matcher: text("matcher").notNull(),
    comment: text("comment"),
    created_by: text("created_by").notNull(),
    created_at: text("created_at").notNull(),
  });

  /** What is still to be sent, in order for each target; written with the alarm's transition. */
  const deliveries = table(
    "deliveries",
    {
      id: id("id"),
      target: text("target").notNull(),
      alarm: text("alarm").notNull(),
      /** JSON of the event as it is sent */
      event: text("event").notNull(),
      attempts: bigint("attempts").notNull(),
      error: text("error"),
      claimed_by: text("claimed_by"),
      created_at: text("created_at").notNull(),
    },
    (t) => [index("deliveries_target").on(t.target, t.id)],
  );

  /** What operators said of nodes and devices, which outlives all that these say themselves. */
  const given = table(
    "given",
    {
      /** node or device */
      of: text("of").notNull(),
      id: text("id").notNull(),
      name: text("name"),
      /** JSON of the labels that were given; null: none */
      labels: text("labels"),
      /** JSON of when, by whom and why it was taken out of service; null: it was not */
      cordoned: text("cordoned"),
      /** JSON of the name and the labels that the node says itself, while others were given; null: what is shown is that */
      said: text("said"),
      /** Who has read up to one finds what was given since. */
      revision: bigint("revision").notNull(),
    },
    (t) => [primaryKey({ name: "given_pk", columns: [t.of, t.id] }), index("given_revision").on(t.revision)],
  );

  const meta = table("meta", {
    key: text("key").primaryKey(),
    value: text("value").notNull(),
  });

  return {
    ...{ nodes, sources, hardware, changes, operations, tokens, audit, meta },
    ...{ conductors, requests, alarms, windows, deliveries, given },
  };
}

export type Tables = ReturnType<typeof defineTables>;
export type NodeRow = Tables["nodes"]["$inferSelect"];
export type SourceRow = Tables["sources"]["$inferSelect"];
export type HardwareRow = Tables["hardware"]["$inferSelect"];
/** A device on its way in: the database gives the id. */
export type NewHardwareRow = Omit<HardwareRow, "id">;
export type ChangeRow = Tables["changes"]["$inferSelect"];
export type TokenRow = Tables["tokens"]["$inferSelect"];
export type AuditRow = Tables["audit"]["$inferSelect"];
export type ConductorRow = Tables["conductors"]["$inferSelect"];
export type RequestRow = Tables["requests"]["$inferSelect"];
export type AlarmRow = Tables["alarms"]["$inferSelect"];
export type WindowRow = Tables["windows"]["$inferSelect"];
export type DeliveryRow = Tables["deliveries"]["$inferSelect"];
export type OperationRow = Tables["operations"]["$inferSelect"];
export type GivenRow = Tables["given"]["$inferSelect"];
