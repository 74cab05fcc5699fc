import type { Alarm, AlarmSeverity } from "../../../contract/fleet/alarm.ts";
import type { AlarmRow } from "../../../db/queries/fleet/alarms.ts";
import type { Kinds } from "./kinds.ts";
import type { Problem } from "./problems.ts";

/** Devices and nodes that an alarm names; it counts all. */
export const SHOWN = 100;

/** An alarm as it is stored, but for its place. */
export type StoredAlarm = Omit<AlarmRow, "position">;

/** What of an alarm is in no column of its own: the first part is shown. */
export interface AlarmBody
  extends Pick<Alarm, "reason" | "message" | "action" | "devices" | "members" | "acknowledged" | "silenced_by"> {
  /** Of its node, as a window may match them. */
  labels: Record<string, string>;
  /** Somebody was told that it fires, and so is to hear when it does no more. */
  told: boolean;
  /** The node that set it off. */
  trigger: { id: string; name: string };
  /** Of an outage: how many members were told of, or fewer where some came back since. */
  known?: number;
}

export const bodyOf = (row: Pick<AlarmRow, "body">): AlarmBody => JSON.parse(row.body) as AlarmBody; // written from one

/** A row as the contract's Alarm: the one way out. */
export function toAlarm(row: StoredAlarm): Alarm {
  const { labels: _, told: __, trigger: ___, known: ____, ...shown } = bodyOf(row);
  const node = row.node_id === null ? null : { id: row.node_id, name: row.node_name ?? "" };
  return {
    id: row.id,
    fingerprint: row.fingerprint,
    // These three are written from typed values.
    kind: row.kind as Alarm["kind"],
    state: row.state as Alarm["state"],
    severity: row.severity as AlarmSeverity,
    node,
    source: row.source,
    uuid: row.uuid,
    since: row.since,
    fired_at: row.fired_at,
    resolved_at: row.resolved_at,
    ...shown,
    revision: row.revision,
  };
}

/** A trouble that has just been seen. */
export function newRow(problem: Problem, of: { id: string; now: string; kinds: Kinds }): StoredAlarm {
  const { kind, node, source, uuid, fingerprint } = problem;
  const body: AlarmBody = {
    ...said(problem),
    ...{ members: null, acknowledged: null, silenced_by: null },
    ...{ labels: problem.labels, told: false, trigger: node },
  };
  return {
    ...{ id: of.id, fingerprint, open: fingerprint, kind, state: "pending", source, uuid },
    ...{ node_id: node.id, node_name: node.name, severity: severityOf(problem, of.kinds) },
    ...{ since: of.now, fired_at: null, resolved_at: null, revision: 0, body: JSON.stringify(body) },
  };
}

export const severityOf = ({ severity, kind }: Problem, kinds: Kinds): AlarmSeverity =>
  severity ?? kinds[kind].severity;

/** What a problem says, as an alarm has it. */
export const said = ({ reason, message, action, devices }: Problem) => ({
  ...{ reason, message, action },
  devices: { total: devices.length, uuids: devices.slice(0, SHOWN) },
});

/** Whether an alarm says something else than its problem does now. Wording does not count: counters are in it. */
export function isOutdated(row: StoredAlarm, problem: Problem, kinds: Kinds): boolean {
  const { reason, devices } = bodyOf(row);
  // Of a node and a source the devices were looked up when it fired.
  const counts = problem.devices.length > 0 && devices.total !== problem.devices.length;
  return reason !== problem.reason || row.severity !== severityOf(problem, kinds) || counts;
}
