import type { Change } from "../../contract/change.ts";
import type { Window } from "../../contract/fleet/window.ts";
import { aboutText, changeText } from "../get/kinds/changes.ts";
import { secondText } from "../show/age.ts";
import { alarmDifference, stateText } from "./became.ts";
import { difference } from "./difference.ts";

interface Around {
  /** What was before it, the newest first. */
  older: readonly Change[];
  /** Maintenance windows, as far as they are known: an alarm says the id of the one that silences it. */
  windows?: readonly Window[];
  /** Whether it is to be said of what the change is. */
  about?: boolean;
}

/** One change as a row: when, its kind, and what became different. */
export function changeLine(change: Change, around: Around): string[] {
  const { time, kind } = change;
  const text = differenceText(change, around) || changeText(change);
  return [secondText(time), kind, around.about ? `${aboutText(change)}: ${text}` : text];
}

function differenceText(change: Change, { older, windows = [] }: Around): string {
  const { kind, hardware, alarm, cordoned, given, uuid, source, node } = change;
  // What an operator gave is in no report.
  if (given || cordoned) return "";
  if (alarm) {
    const before = older.find((one) => one.alarm?.id === alarm.id)?.alarm;
    const said = before ? alarmDifference(before, alarm, windows) : [];
    return said.length > 0 ? `${alarm.kind} ${said.join("; ")}` : "";
  }
  // Of a node an older Sinew wrote no more than that.
  if (kind === "state") return cordoned === undefined ? stateText(change, older) : "";
  if (!hardware || cordoned !== undefined) return "";
  const is = (one: Change) => one.hardware && one.uuid === uuid && one.source === source && one.node.id === node.id;
  const before = older.find(is)?.hardware;
  return before ? difference(before, hardware).join("; ") : "";
}
