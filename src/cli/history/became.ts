import type { Change } from "../../contract/change.ts";
import type { Alarm } from "../../contract/fleet/alarm.ts";
import type { Window } from "../../contract/fleet/window.ts";
import type { Source } from "../../contract/hardware.ts";
import { ackText } from "../get/kinds/alarms.ts";

/** What became of a node and its sources, as a line of kind state says it; `older`: those before it, the newest first. */
export function stateText({ state, sources, node }: Change, older: readonly Change[]): string {
  const own = older.filter((one) => one.kind === "state" && one.uuid === null && one.node.id === node.id);
  const [before] = own;
  const source = (name: string): Source | undefined => {
    for (const { sources: said } of own) {
      const found = said?.find((one) => one.name === name);
      if (found) return found;
    }
    return undefined;
  };
  const said = [
    ...(state && state !== before?.state ? [moved(before?.state, state)] : []),
    ...(before && before.node.name !== node.name ? [`name ${moved(before.node.name, node.name)}`] : []),
    ...(sources ?? []).map(({ name, status, error }) => {
      const was = source(name)?.status;
      return `source ${name} ${was === status ? status : moved(was, status)}${error ? `: ${error.message}` : ""}`;
    }),
  ];
  // The log has no more of it.
  return said.join("; ") || "it says something else of itself, such as labels, an address, a boot or a condition";
}

const moved = (from: string | null | undefined, to: string): string => (from ? `${from} -> ${to}` : to);

/** What became of an alarm that was `before`; nothing: it fires, or is over, which is to be said whole. */
export function alarmDifference(before: Alarm, now: Alarm, windows: readonly Window[]): string[] {
  if (before.state !== now.state) return [];
  const said: string[] = [];
  const tell = (name: string, was: string | number | undefined, is: string | number | undefined) => {
    if (was !== is) said.push(`${name} ${was ?? "none"} -> ${is ?? "none"}`);
  };
  tell("severity", before.severity, now.severity);
  if (before.reason !== now.reason) said.push(`reason ${before.reason} -> ${now.reason}: ${now.message}`);
  tell("devices", before.devices.total, now.devices.total);
  tell("nodes", before.members?.total, now.members?.total);
  tell("node", before.node?.name, now.node?.name);
  const [was, ack] = [before.acknowledged, now.acknowledged];
  if (ack && JSON.stringify(was) !== JSON.stringify(ack)) said.push(ackText(ack));
  if (was && !ack) said.push(`acknowledged no more (was by ${was.by})`);
  const [old, silence] = [before.silenced_by, now.silenced_by];
  if (silence !== null && silence !== old) said.push(`silenced by ${windowText(silence, windows)}`);
  if (silence === null && old !== null) said.push(`silenced no more (was by ${windowText(old, windows)})`);
  return said;
}

/** `window 5b0c8a7e of ada (new disks)`, as far as it is known still. */
function windowText(id: string, windows: readonly Window[]): string {
  const found = windows.find((one) => one.id === id);
  if (!found) return `window ${id.slice(0, 8)}`;
  return `window ${id.slice(0, 8)} of ${found.created_by}${found.comment ? ` (${found.comment})` : ""}`;
}
