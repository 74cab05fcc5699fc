import type { Change } from "../../contract/change.ts";
import type { HistoryEntry, SetupPlan } from "../../contract/device/setup.ts";
import { beginsUuid } from "../../contract/device/uuid.ts";
import type { Alarm } from "../../contract/fleet/alarm.ts";
import type { Window } from "../../contract/fleet/window.ts";
import type { FleetSource, Hardware } from "../../contract/hardware.ts";
import { Exit } from "../exit.ts";
import { beginningWith, wordsOf } from "../get/kinds/hardware.ts";
import { nodeCalled } from "../get/kinds/nodes.ts";
import { theOne } from "../get/select.ts";
import { call } from "../operator/call.ts";
import type { Conductor } from "../operator/conductor.ts";
import { all, bodies } from "../operator/pages.ts";

/** What could be read, or why it could not: one thing that does not answer keeps nothing else from being shown. */
export type Read<T> = { found: T } | { why: string };

export async function tried<T>(work: () => Promise<T>): Promise<Read<T>> {
  try {
    return { found: await work() };
  } catch (error) {
    if (error instanceof Exit) return { why: error.message };
    throw error;
  }
}

/** The device that a person means, by a uuid or its beginning, or by node and address. Throws Exit. */
export async function deviceCalled(conductor: Conductor, said: string): Promise<Hardware> {
  if (/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(said)) {
    const one = (await conductor.find(`/hardware/${said}`)) as Hardware | null;
    if (one !== null) return one;
  }
  // The beginning of an id is found by it; what is like it, where there is none, among all.
  if (beginsUuid(said.toLowerCase())) {
    const found = await all<Hardware>(conductor.ask, "hardware", "/hardware", beginningWith(said));
    if (found.length > 0) return theOne(found, said, "hardware", wordsOf);
  }
  const [, name] = /^(.+)\/[^/]+$/.exec(said) ?? [];
  const filter = new URLSearchParams(name === undefined ? {} : { node: name });
  const found = await all<Hardware>(conductor.ask, "hardware", "/hardware", filter);
  // Of a name that no node has there is more to be said than that the device is not there.
  if (found.length === 0 && name !== undefined) await nodeCalled(conductor, name);
  return theOne(found, said, "hardware", wordsOf);
}

/** Alarms of a node, those that fire first, and of the others the newest. */
export async function alarmsOf(conductor: Conductor, node: string, concerns: (alarm: Alarm) => boolean) {
  const read = async (state: string, limit: string) => {
    const { alarms } = (await conductor.ask(`/alarms?${new URLSearchParams({ node, state, limit })}`)) as {
      alarms: Alarm[];
    };
    return alarms.filter(concerns);
  };
  return [...(await read("firing", "1000")), ...(await read("resolved", "100")).slice(0, 3)];
}

/** The log is looked through in steps, of which each request makes some: what is far back is not looked for forever. */
const MOST_REQUESTS = 5;

/** The newest changes of a part of the feed, the newest first; `whole`: there are no older ones. */
export async function newestChanges(
  conductor: Conductor,
  filter: Record<string, string>,
  count: number,
): Promise<{ changes: Change[]; whole: boolean }> {
  const query = new URLSearchParams({ ...filter, order: "desc", limit: String(Math.min(count, 1000)) });
  const found: Change[] = [];
  let requests = 0;
  for await (const { rows, body } of bodies<Change>(conductor.ask, "changes", "/changes", query)) {
    found.push(...rows);
    requests += 1;
    if (typeof body.next_page_token !== "string")
      return { changes: found.slice(0, count), whole: found.length <= count };
    if (found.length >= count || requests === MOST_REQUESTS) break;
  }
  return { changes: found.slice(0, count), whole: false };
}

/** Every write that setting a device up tried, as its node knows it; the newest first. */
export async function setupHistory(conductor: Conductor, uuid: string): Promise<HistoryEntry[]> {
  const { history } = (await conductor.ask(`/hardware/${uuid}/history`)) as { history: HistoryEntry[] };
  return history;
}

/** So begins why what is there is not for this role. */
export const NOT_SHOWN = "not shown";

/** Who uses a device, as the plan of its setup knows it. It writes nothing. */
export async function holdersOf(conductor: Conductor, uuid: string): Promise<SetupPlan["holders"]> {
  const path = `/hardware/${uuid}/setup`;
  const refusal = (problem: object) => {
    const [, role] = /has role (\w+)/.exec("detail" in problem ? String(problem.detail) : "") ?? [];
    return role === undefined ? null : `${NOT_SHOWN} to role ${role}: a token of role operator shows it`;
  };
  const { body } = await call(conductor.where, { method: "POST", path, body: { dry_run: true }, refusal });
  return (body as { plan: SetupPlan }).plan.holders;
}

export const sourcesOf = (conductor: Conductor, node: string): Promise<FleetSource[]> =>
  all<FleetSource>(conductor.ask, "sources", "/sources", new URLSearchParams({ node }));

/** The maintenance windows that are kept, those that are over included. */
export async function windowsOf(conductor: Conductor): Promise<Window[]> {
  const { windows } = (await conductor.ask("/windows")) as { windows: Window[] };
  return windows;
}
