import type { HistoryEntry, SetupPlan, SetupRequest } from "../contract/device/setup.ts";
import type { Measurement } from "../contract/device/telemetry.ts";
import type { OperationChild } from "../contract/operation.ts";

/** Who asked for a setup, and where its progress goes. */
export interface SetupContext {
  /** The operation's uuid, which the history names. */
  operation: string;
  actor: string;
  /** Hears of all steps, each time one begins or ends. */
  onProgress(steps: OperationChild[]): void;
}

/** Makes devices ready as the node's configuration wants them, and takes that back. */
export interface DeviceSetup {
  /** What would be written and what speaks against it. Throws SinewError `not_found` for a device that is not there. */
  plan(uuid: string, request: SetupRequest): Promise<SetupPlan>;
  /**
   * Carries the plan out, reads everything back, and rolls back what failed. Resolves when it is verified.
   * Throws SinewError `setup_refused` (before the first write), `busy`, or an Error that says what state was left.
   */
  apply(uuid: string, request: SetupRequest, context: SetupContext): Promise<void>;
  /** Every write of this device, the newest first. */
  history(uuid: string): Promise<HistoryEntry[]>;
}

/** What a driver may know to do with one of its devices, beside listing it. */
export interface DeviceCare {
  /** Measured now; throws SinewError `not_found` for a device that is not there, `unavailable` while it cannot be asked. */
  telemetry?(uuid: string): Promise<Measurement[]>;
  setup?: DeviceSetup;
}
