import type { Change } from "../../contract/change.ts";
import { aboutText, changeText } from "../get/kinds/changes.ts";
import { difference } from "./difference.ts";

/** One change as a row: when, its kind, and what it was; `older` are those before it, the newest first. */
export function changeLine(change: Change, older: readonly Change[], { about = false } = {}): string[] {
  const { time, kind, hardware, uuid, source, node } = change;
  const before = older.find(
    (one) => one.hardware && one.uuid === uuid && one.source === source && one.node.id === node.id,
  )?.hardware;
  // What an operator gave is in no report.
  const different = change.cordoned === undefined && hardware && before ? difference(before, hardware).join("; ") : "";
  const text = different || changeText(change);
  return [time.slice(0, 19).replace("T", " "), kind, about ? `${aboutText(change)}: ${text}` : text];
}
