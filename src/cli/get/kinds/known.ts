import { DEVICE_TYPES, type Hardware } from "../../../contract/hardware.ts";
import { NotThere } from "../../exit.ts";
import type { Conductor } from "../../operator/conductor.ts";
import { pages } from "../../operator/pages.ts";
import { didYouMean } from "../../show/near.ts";
import { printable } from "../../text.ts";

/** What our own drivers, agents and conductors say of devices; a driver of one's own may say more. */
const CONDITIONS = ["Responding", "DriverBound", "Present", "LinkFull", "ErrorFree", "IommuReady", "Configured"];

/** The type as it is spelled, where it is one of ours. */
export const conditionType = (said: string | undefined): string | undefined =>
  CONDITIONS.find((one) => one.toLowerCase() === said?.toLowerCase()) ?? said;

export const deviceType = (said: string | undefined): string | undefined =>
  DEVICE_TYPES.find((one) => one === said?.toUpperCase()) ?? said;

/**
 * Where nothing was found by a word that is none of ours: throws NotThere unless some device says it, as those of a
 * driver of one's own may. That there is none is not to be said of a word that was misspelt.
 */
export async function refuseUnknown(
  ask: Conductor["ask"],
  { type, condition }: { type: string | undefined; condition?: string | undefined },
): Promise<void> {
  if (type !== undefined && !(DEVICE_TYPES as readonly string[]).includes(type)) {
    const query = new URLSearchParams({ device_type: type, limit: "1" });
    for await (const devices of pages(ask, "hardware", "/hardware", query)) {
      if (devices.length > 0) break;
      throw unknown("--type", type, DEVICE_TYPES);
    }
  }
  if (condition === undefined || CONDITIONS.includes(condition)) return;
  const types = new Set(CONDITIONS);
  for await (const devices of pages<Hardware>(ask, "hardware", "/hardware")) {
    for (const { acc_status } of devices) for (const one of acc_status.conditions) types.add(one.type);
    if (types.has(condition)) return;
  }
  throw unknown("--condition", condition, [...types]);
}

/** `--type: no device has "GPUU"; known are GPU, ...; did you mean GPU?` */
export function unknown(flag: string, found: string, known: readonly string[], of = "device"): NotThere {
  const shown = known.slice(0, MOST).join(", ") + (known.length > MOST ? ", ..." : "");
  return new NotThere(
    printable(`${flag}: no ${of} has ${JSON.stringify(found)}; known are ${shown}${didYouMean(found, known)}`),
  );
}

const MOST = 20;
