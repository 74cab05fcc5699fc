/** Nodes that are lost within so long of each other are lost together. */
export const TOGETHER_MS = 60_000;

/** More than this many nodes lost together are one outage: a tenth of the fleet, at least 5, and 50 are a flood anywhere. */
export const outageSize = (present: number): number => Math.max(5, Math.min(50, Math.floor(present / 10)));

/**
 * What is to become of the outage. `recent`: nodes that were lost together; `members`: those of the open one, null: none is
 * open. It grows by as many as would begin one, so that whoever is lost later, and alone, has an alarm alone. It ends when half of
 * what began it is left, so that it does not come and go with one node.
 */
export function judgeOutage(of: {
  recent: number;
  members: number | null;
  present: number;
}): "begin" | "grow" | "end" | null {
  const size = outageSize(of.present);
  if (of.recent > size) return of.members === null ? "begin" : "grow";
  return of.members !== null && of.members <= size / 2 ? "end" : null;
}
