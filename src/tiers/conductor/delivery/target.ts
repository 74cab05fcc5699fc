import type { Alarm } from "../../../contract/fleet/alarm.ts";
import type { AlarmEvent } from "./event.ts";

/** Somebody who is told of alarms. What fails throws PostError. */
export interface Target {
  /** As it is stored with what it is to be told: another name is another target. */
  readonly name: string;
  /** As it is shown: a URL may hold a secret. */
  readonly shown: string;
  tell(event: AlarmEvent, signal: AbortSignal): Promise<void>;
  /** Tells what fires once more, and what does not any more; without it, once is enough. */
  repeat?(alarms: Alarm[], signal: AbortSignal): Promise<void>;
}

/** For one attempt. */
export const DEADLINE_MS = 10_000;
