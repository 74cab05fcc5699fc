import type { Condition } from "../../../contract/condition.ts";
import type { MissingDevice } from "../../../contract/device/expected.ts";
import type { Expectation, Standing } from "./expectation.ts";

/** So many are named in a message; the rest is counted. */
const NAMED = 8;

const some = (texts: readonly string[], separator: string) =>
  texts.length <= NAMED
    ? texts.join(separator)
    : `${texts.slice(0, NAMED).join(separator)}${separator}and ${texts.length - NAMED} more`;

/** `GPU 10de:20b2`, `GPU`, `10de:20b2` */
const kindOf = ({ device_type, vendor_id, device_id }: Standing) =>
  [device_type, vendor_id && `${vendor_id}:${device_id}`].filter(Boolean).join(" ");

const placeOf = ({ slot, address }: MissingDevice) =>
  slot !== null ? `slot ${slot}` : address !== null ? `at ${address}` : null;

const seconds = (time: string) => time.replace(/\.\d+(?=Z$)/, "");

const missingOf = (device: MissingDevice) =>
  [
    `missing ${device.uuid}`,
    device.last_seen === null ? "last seen at a time not known" : `last seen ${seconds(device.last_seen)}`,
    placeOf(device),
  ]
    .filter((one) => one !== null)
    .join(", ");

function lineOf(line: Standing): string {
  const head = `${line.present} of ${line.count} ${kindOf(line)} present`;
  return [head, some(line.missing.map(missingOf), "; ")].filter((part) => part !== "").join("; ");
}

const action = ({ origin }: Expectation, lines: readonly Standing[]) => {
  const places = [...new Set(lines.flatMap(({ missing }) => missing.flatMap((one) => placeOf(one) ?? [])))];
  const where = places.length > 0 ? ` (${some(places, ", ")})` : "";
  const wanted = origin === "learned" ? "`sinew expect learn`" : "`sinew expect set`";
  return `look for it${where}: read \`dmesg\`, power-cycle the machine, reseat the card; if this is how it shall be: ${wanted}`;
};

/** What is said of the node: all there, something missing, or not to be told while a source does not answer. */
export function conditionOf(expectation: Expectation, lines: readonly Standing[], now: string): Condition {
  const before = expectation.condition;
  const say = (said: Omit<Condition, "type" | "since">): Condition => ({
    type: "HardwarePresent",
    ...said,
    since: before?.status === said.status ? before.since : now,
  });
  const gone = lines.filter(({ certain }) => certain);
  if (gone.length > 0) {
    return say({
      status: "false",
      reason: "HardwareMissing",
      message: some(gone.map(lineOf), ". "),
      action: action(expectation, gone),
    });
  }
  const unsure = lines.filter(({ present, count }) => present < count);
  if (unsure.length > 0) {
    const silent = [...new Set(unsure.flatMap((line) => line.silent))].sort();
    const of = unsure.map((line) => `${line.present} of ${line.count} ${kindOf(line)} seen`);
    return say({
      status: "unknown",
      reason: "SourceFailed",
      message: `${some(of, ", ")}; whether the rest is there nobody says while ${some(silent, ", ")} does not answer`,
      action: "see the node's sources for why",
    });
  }
  const all = lines.map((line) => `${line.count} ${kindOf(line)}`);
  return say({
    status: "true",
    reason: "AllPresent",
    message: all.length > 0 ? `all there: ${some(all, ", ")}` : "nothing was there when it was learned",
    action: null,
  });
}
