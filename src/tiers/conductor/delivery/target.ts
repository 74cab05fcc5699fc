import type { Alarm, AlarmSeverity } from "../../../contract/fleet/alarm.ts";
import type { AlarmEvent } from "./event.ts";

/** An alarm as it is now. */
export interface Known {
  alarm: Alarm;
  /** How severe it was until of late; null: it has not changed. */
  former: AlarmSeverity | null;
}

/** Somebody who is notified of alarms. What fails throws PostError. */
export interface Target {
  /** As it is stored with what it is to be notified of: another name is another target. */
  readonly name: string;
  /** As it is shown: a URL may hold a secret. */
  readonly shown: string;
  /** Events that it takes in one request. */
  readonly atOnce: number;
  notify(events: AlarmEvent[], signal: AbortSignal): Promise<void>;
  /** Says once more what fires, and what does not any more; without it, once is enough. */
  repeat?(alarms: Known[], signal: AbortSignal): Promise<void>;
}

/** For one attempt. */
export const DEADLINE_MS = 10_000;
