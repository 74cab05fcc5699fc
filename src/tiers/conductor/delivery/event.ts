import type { Alarm, AlarmSeverity } from "../../../contract/fleet/alarm.ts";
import { uuidV5 } from "../../../pci/identity.ts";

/** A CloudEvent (1.0, JSON) about an alarm. */
export interface AlarmEvent {
  specversion: "1.0";
  /** The same however often it is sent, and by whichever conductor. */
  id: string;
  /** The fleet: the database's epoch. */
  source: string;
  type: "sinew.alarm.firing" | "sinew.alarm.resolved";
  subject: string;
  time: string;
  datacontenttype: "application/json";
  /** How severe it was before, where that was otherwise. */
  formerseverity?: AlarmSeverity;
  data: Alarm;
}

/** The alarm as of its revision, as it is notified. */
export function eventOf(
  alarm: Alarm,
  { epoch, now, former }: { epoch: string; now: string; former: AlarmSeverity | null },
): AlarmEvent {
  const type = alarm.state === "resolved" ? "sinew.alarm.resolved" : "sinew.alarm.firing";
  return {
    specversion: "1.0",
    id: uuidV5(epoch, `${type} ${alarm.id} ${alarm.revision}`),
    source: `urn:uuid:${epoch}`,
    type,
    subject: alarm.fingerprint,
    time: now,
    datacontenttype: "application/json",
    ...(former === null ? {} : { formerseverity: former }),
    data: alarm,
  };
}
