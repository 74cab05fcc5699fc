import type { Hardware } from "../hardware.ts";

/**
 * Conditions that mean a device is ill when they are "false". What only needs setting up (DriverBound, Configured), sleeps or
 * could not be read for want of rights is none of it, nor is a condition that a driver of one's own makes up: one that is to
 * alarm has one of these types.
 */
const TROUBLES = ["Responding", "Present", "ErrorFree", "LinkFull"] as const;

/** The types of the conditions that alarm, with commas between, the gravest first; null: none. One that is GONE is missing, not ill. */
export function troubleOf({ freshness, acc_status: { conditions } }: Pick<Hardware, "freshness" | "acc_status">) {
  if (freshness === "GONE") return null;
  const found = TROUBLES.filter((type) => conditions.some((one) => one.type === type && one.status === "false"));
  return found.length > 0 ? found.join(",") : null;
}
