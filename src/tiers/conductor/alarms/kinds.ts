import type { AlarmKind, AlarmSeverity } from "../../../contract/fleet/alarm.ts";

export interface Kind {
  severity: AlarmSeverity;
  /** How long a trouble has to last before it fires, and to be over before it is resolved. In milliseconds. */
  holdMs: number;
  clearMs: number;
}

export type Kinds = Readonly<Record<AlarmKind, Kind>>;

export const HOLD_MS = 30_000;
export const NEVER_SEEN_MS = 600_000;

/**
 * Every kind of alarm: there is one mechanism, and this table. A node that is LOST has been silent for two leases, which is
 * held long enough; what says hello again is back. The rest clears after a while, as what comes and goes would tell each time.
 */
export function kindsOf({
  holdMs = HOLD_MS,
  neverSeenMs = NEVER_SEEN_MS,
}: {
  holdMs?: number;
  neverSeenMs?: number;
}): Kinds {
  const held = { holdMs, clearMs: holdMs };
  return {
    "agent.lost": { severity: "critical", holdMs: 0, clearMs: 0 },
    "agent.never_seen": { severity: "warning", holdMs: neverSeenMs, clearMs: 0 },
    "agent.conflict": { severity: "critical", holdMs: 0, clearMs: holdMs },
    "agent.incompatible": { severity: "warning", holdMs: 0, clearMs: holdMs },
    "source.failed": { severity: "warning", ...held },
    "hardware.missing": { severity: "critical", ...held },
    "hardware.unhealthy": { severity: "warning", ...held },
  };
}
