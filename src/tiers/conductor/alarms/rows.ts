import type { Alarm, AlarmSeverity } from "../../../contract/fleet/alarm.ts";
import type { AlarmRow } from "../../../db/queries/fleet/alarms.ts";
import { sameLabels } from "../labels.ts";
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
  /** The name that its node says itself, where another one is shown; an older Sinew wrote none. */
  says?: string | null;
  /** How severe it was when somebody was notified that it fires, who so is to hear when it does no more; null: nobody was. */
  notified: AlarmSeverity | null;
  /** How severe it was before it became what it is; null: it always was that. */
  former: AlarmSeverity | null;
  /** The node that set it off. */
  trigger: { id: string; name: string };
  /** Of an outage: how many members notifications named, or fewer where some came back since. */
  known?: number;
}

export const bodyOf = (row: Pick<AlarmRow, "body">): AlarmBody => JSON.parse(row.body) as AlarmBody; // written from one

/** A row as the contract's Alarm: the one way out. */
export function toAlarm(row: StoredAlarm): Alarm {
  const { labels, says, notified, former, trigger, known, ...shown } = bodyOf(row);
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
    ...{ notified: null, former: null, trigger: node },
  };
  return {
    ...{ id: of.id, fingerprint, open: fingerprint, kind, state: "pending", source, uuid },
    ...{ node_id: node.id, node_name: node.name, severity: severityOf(problem, of.kinds) },
    ...{ since: of.now, fired_at: null, resolved_at: null, revision: 0, body: JSON.stringify(body) },
  };
}

export const severityOf = ({ severity, kind }: Problem, kinds: Kinds): AlarmSeverity =>
  severity ?? kinds[kind].severity;

/** Whether it is to be notified that it fires: it never was, or it has become graver since. */
export const isNews = (severity: string, notified: AlarmSeverity | null): boolean =>
  notified === null || (severity === "critical" && notified !== "critical");

/** What a problem says, as an alarm has it. */
export const said = ({ reason, message, action, devices, labels, says }: Problem) => ({
  ...{ reason, message, action, labels, says },
  devices: { total: devices.length, uuids: devices.slice(0, SHOWN) },
});

/** Whether an alarm says something else than its problem does now. Wording does not count: counters are in it. */
export function isOutdated(row: StoredAlarm, problem: Problem, kinds: Kinds): boolean {
  const { reason, devices, labels, says = null } = bodyOf(row);
  // Of a node and a source the devices were looked up when it fired.
  const counts = problem.devices.length > 0 && devices.total !== problem.devices.length;
  const same =
    reason === problem.reason && row.severity === severityOf(problem, kinds) && row.node_name === problem.node.name;
  return !same || counts || says !== problem.says || !sameLabels(labels, problem.labels);
}
