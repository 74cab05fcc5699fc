import type { AlarmKind } from "../../../../contract/fleet/alarm.ts";
import type { Window } from "../../../../contract/fleet/window.ts";
import { hasLabels } from "../../labels.ts";

/** What a window can match of an alarm; the one of an outage has no node of its own. */
export interface Matched {
  kind: AlarmKind;
  node: { id: string; name: string } | null;
  labels: Record<string, string>;
  /** The name that it says itself, where it was given another one: its own windows are by that. */
  says?: string | null | undefined;
}

/** Those that are now, by the clock on the wall: that is what a person meant. */
export const activeWindows = (windows: readonly Window[], now: Date): Window[] =>
  windows.filter(
    ({ starts_at, ends_at }) => Date.parse(starts_at) <= now.getTime() && now.getTime() < Date.parse(ends_at),
  );

/** The id of the first of these windows that matches; null: none. */
export function silencedBy(windows: readonly Window[], { kind, node, labels, says }: Matched): string | null {
  const found = windows.find(({ matcher }) => {
    if (matcher.kind !== undefined && matcher.kind !== kind) return false;
    const named = matcher.node;
    if (named !== undefined && named.toLowerCase() !== node?.id && named !== node?.name && named !== says) return false;
    return hasLabels(labels, matcher.labels ?? {});
  });
  return found?.id ?? null;
}
