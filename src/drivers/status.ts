import type { Condition } from "../contract/condition.ts";

/** A device is ready only when all of these are "true"; and Configured, which is there where somebody wants something of it. */
export const REQUIRED_CONDITIONS = ["Responding", "DriverBound"] as const;

const REQUIRED: ReadonlySet<string> = new Set(REQUIRED_CONDITIONS);

export interface DerivedStatus {
  setup_required: boolean;
  reboot_required: boolean;
  ready: boolean;
}

/**
 * `acc_status` without its conditions, which it follows from:
 * - setup_required: DriverBound is "false", or Configured is for another reason than RebootNeeded, or a SetupRequired
 *   condition is "true";
 * - reboot_required: Configured is "false" for the reason RebootNeeded, or a RebootRequired condition is "true";
 * - ready: neither of the two, and every required condition is "true"; one that is missing is not "true", but Configured.
 *   A device that sleeps is ready where Configured is "true": vfio-pci puts to sleep what nobody has open.
 *
 * Hardware that never heard of conditions (a seed driver's: none of the required ones is there) is judged by the two
 * booleans it came with, `given`.
 */
export function deriveStatus(
  conditions: readonly (Pick<Condition, "type" | "status"> & Partial<Pick<Condition, "reason">>)[],
  given: Pick<DerivedStatus, "setup_required" | "reboot_required"> = { setup_required: false, reboot_required: false },
): DerivedStatus {
  const said = new Set(conditions.map(({ type, status }) => `${type} ${status}`));
  const known = conditions.some(({ type }) => REQUIRED.has(type));
  const unset = conditions.filter(({ type, status }) => type === "Configured" && status === "false");
  const setup =
    said.has("DriverBound false") ||
    unset.some(({ reason }) => reason !== "RebootNeeded") ||
    said.has("SetupRequired true") ||
    (!known && given.setup_required);
  const reboot =
    unset.some(({ reason }) => reason === "RebootNeeded") ||
    said.has("RebootRequired true") ||
    (!known && given.reboot_required);
  const sleeps = conditions.some(
    (one) => one.type === "Responding" && one.reason === "Asleep" && one.status === "unknown",
  );
  const rests = sleeps && said.has("Configured true") && !said.has("Responding false");
  const holds = (type: string) =>
    (said.has(`${type} true`) && !said.has(`${type} false`)) || (type === "Responding" && rests);
  const answered = !known || REQUIRED_CONDITIONS.every(holds);
  const configured = conditions.every(({ type, status }) => type !== "Configured" || status === "true");
  return { setup_required: setup, reboot_required: reboot, ready: !setup && !reboot && answered && configured };
}
