import { expect, test } from "bun:test";
import { changeText } from "../../src/cli/get/kinds/changes.ts";
import { changeLine } from "../../src/cli/history/lines.ts";
import type { Change } from "../../src/contract/change.ts";
import type { Alarm } from "../../src/contract/fleet/alarm.ts";
import type { Window } from "../../src/contract/fleet/window.ts";

const NODE = { id: "00000000-0000-4000-8000-000000000001", name: "n1" };
const WINDOW = { id: "5b0c8a7e-0000-4000-8000-000000000000", created_by: "ada", comment: "new disks" } as Window;
let revision = 0;
const change = (more: Partial<Change>): Change => ({
  ...{ revision: ++revision, time: `2026-01-01T00:00:${revision % 60}Z`, kind: "state", node: NODE, source: null },
  ...{ uuid: null, state: "LIVE", sources: null, hardware: null, ...more },
});
/** What each of them says, with those before it, the oldest first. */
const told = (changes: Change[], windows: Window[] = []) =>
  changes.map((one, at) => changeLine(one, { older: changes.slice(0, at).toReversed(), windows })[2]);

const ALARM = {
  ...{
    id: "a",
    kind: "agent.lost",
    state: "firing",
    severity: "critical",
    node: NODE,
    reason: "LOST",
    message: "gone",
  },
  ...{ devices: { total: 2, uuids: [] }, members: null, acknowledged: null, silenced_by: null },
} as unknown as Alarm;
const alarm = (more: Partial<Alarm>) => change({ kind: "alarm", state: null, alarm: { ...ALARM, ...more } });

test("what an operator gave is told by what it was, what it is, and who gave it", () => {
  const cordon = { at: "2026-01-01T00:00:00Z", by: "ada", comment: "RMA" };
  const changes = [
    change({ cordoned: null, given: { by: "ada", name: { from: "n1", to: "r7-03" } } }),
    change({
      cordoned: null,
      given: { by: "bob", labels: { rack: { from: "r7", to: "" }, x: { from: null, to: "y" } } },
    }),
    change({ cordoned: cordon, given: { by: "ada", cordoned: { from: null, to: cordon } } }),
    change({ cordoned: null, given: { by: "bob", cordoned: { from: cordon, to: null } } }),
    change({ cordoned: null, given: { by: "bob" } }),
    // As an older Sinew wrote it.
    change({ cordoned: null }),
  ];
  expect(told(changes)).toEqual([
    "name n1 -> r7-03, by ada",
    'label rack r7 -> ""; label x none -> y, by bob',
    "Cordoned: by ada: RMA",
    "in service again, by bob (was Cordoned: by ada: RMA)",
    "named or labelled as it says itself, by bob",
    "an operator named, labelled or uncordoned it",
  ]);
});

test("of a node it is told what changed: its state, its name, each source; what the log has not is said to be that", () => {
  const source = (status: "OK" | "STALE") => ({
    ...{ name: "gpu", type: null, endpoint: null, status, observed_at: null, count: 1 },
    error: status === "OK" ? null : ({ code: "timeout", message: "no answer" } as const),
  });
  expect(
    told([
      change({ sources: [source("OK")] }),
      change({ sources: [source("STALE")] }),
      change({ state: "LOST" }),
      change({ state: "LOST" }),
      change({ state: "LOST", node: { ...NODE, name: "other" } }),
    ]),
  ).toEqual([
    "LIVE; source gpu OK",
    "source gpu OK -> STALE: no answer",
    "LIVE -> LOST",
    "it says something else of itself, such as labels, an address, a boot or a condition",
    "name n1 -> other",
  ]);
});

test("of an alarm it is told what became of it: who is on it, which window silences it, how grave it is", () => {
  const acknowledged = { at: "2026-01-01T00:00:00Z", by: "ada", comment: "on my way" };
  const changes = [
    alarm({}),
    alarm({ acknowledged }),
    alarm({ acknowledged, silenced_by: WINDOW.id }),
    alarm({ acknowledged }),
    alarm({ severity: "warning", devices: { total: 3, uuids: [] } }),
    alarm({ state: "resolved" }),
  ];
  expect(told(changes, [WINDOW])).toEqual([
    "agent.lost firing: LOST: gone",
    "agent.lost acknowledged by ada: on my way",
    "agent.lost silenced by window 5b0c8a7e of ada (new disks)",
    "agent.lost silenced no more (was by window 5b0c8a7e of ada (new disks))",
    "agent.lost severity critical -> warning; devices 2 -> 3; acknowledged no more (was by ada)",
    "agent.lost resolved: LOST: gone",
  ]);
  expect(told(changes)[2]).toBe("agent.lost silenced by window 5b0c8a7e");
  // Where no line before it is known: the acknowledgement that is as old as its change is what happened.
  const [, , silenced] = changes;
  expect(silenced && changeText(silenced)).toBe("agent.lost firing, ack ada (on my way), silenced: LOST: gone");
  const now = change({ kind: "alarm", alarm: { ...ALARM, acknowledged } });
  expect(changeText({ ...now, time: acknowledged.at })).toBe("agent.lost acknowledged by ada: on my way");
});
