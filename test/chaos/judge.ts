import type { Change } from "../../src/contract/change.ts";
import type { Alarm } from "../../src/contract/fleet/alarm.ts";
import type { Hardware, Source } from "../../src/contract/hardware.ts";
import type { Node } from "../../src/contract/node.ts";
import type { Operation } from "../../src/contract/operation.ts";
import { judgeIdentity, judgeQuiet, keyOf, type Lists, type TrueNode } from "../truth/quiet.ts";
import { type Asked, ask, NoAnswer, pages, wrongAnswers } from "./ask.ts";
import type { Agent, Fleet } from "./fleet.ts";
import type { Following } from "./observer.ts";

/** What was looked at, and what is wrong with it. */
export interface Check {
  name: string;
  violations: string[];
}

/** All of a device that a reader acts on, in one text: the conductor is to say the same as its agent. */
const describe = ({ name, pci, acc_status }: Pick<Hardware, "name" | "pci" | "acc_status">) =>
  pci ? `${name} at ${pci.address} by ${pci.kernel_driver}, ${acc_status.ready ? "ready" : "not ready"}` : name;

interface Listed {
  lists: Lists;
  hardware: Hardware[];
  nodes: Node[];
  /** Nothing changed while it was read. */
  still: boolean;
}

async function listAll(at: Asked): Promise<Listed> {
  const hardware = await pages<Hardware>(at, "/hardware", "hardware");
  const nodes = await pages<Node>(at, "/nodes", "nodes");
  const sources = hardware.rest.sources as (Source & { node: { id: string } })[]; // as its contract says
  const { revision } = hardware;
  return {
    hardware: hardware.items,
    nodes: nodes.items,
    still: hardware.last === revision && nodes.revision === revision && nodes.last === revision,
    lists: {
      revision,
      nodes: nodes.items,
      hardware: hardware.items.map((device) => ({ ...device, name: describe(device) })),
      sources,
    },
  };
}

/** What the agent itself says, and how that differs from the machine that it is on. */
async function truthOf({ asked, id, host }: Agent): Promise<{ node: TrueNode; wrong: string[] }> {
  const { items, rest } = await pages<Hardware>(asked, "/hardware", "hardware");
  const sources = rest.sources as Source[]; // as its contract says
  const wrong: string[] = [];
  for (const { name, status, error } of sources) {
    if (status !== "OK") wrong.push(`driver ${name} of ${asked.name} is ${status}: ${error?.message}`);
    const found = items.filter(({ source, freshness }) => source === name && freshness === "FRESH");
    const shown = found.flatMap(({ pci }) => (pci ? [pci.address] : [])).sort();
    const there = host.addresses(name);
    if (shown.join() !== there.join())
      wrong.push(`driver ${name} of ${asked.name} shows ${shown.join(" ")}, and there is ${there.join(" ")}`);
  }
  const devices = items.map((device) => ({ uuid: device.uuid, source: device.source, name: describe(device) }));
  const node = { id, name: asked.name, state: "LIVE" as const, devices };
  return { node: { ...node, sources: sources.map(({ name }) => ({ name, ok: true })) }, wrong };
}

/** What keeps the fleet from being right; nothing, once all have said what they are to say. */
export async function judgeNow(
  fleet: Fleet,
  following: Following[],
  operations: readonly string[],
): Promise<{ wrong: string[]; listed: Listed | null }> {
  const wrong: string[] = [];
  let listed: Listed | null = null;
  try {
    const agents = await Promise.all(fleet.agents.map(truthOf));
    wrong.push(...agents.flatMap((one) => one.wrong));
    const nodes = [...agents.map(({ node }) => node), ...fleet.callers.map((caller) => caller.truth())];
    for (const { asked } of fleet.conductors) {
      listed = await listAll(asked);
      wrong.push(...judgeQuiet({ nodes, known: new Set() }, listed.lists).map((text) => `${asked.name}: ${text}`));
    }
    const at = fleet.conductors.at(-1)?.asked as Asked; // there is one at least
    for (const uuid of operations) {
      const operation = await ask<Operation>(at, `/operations/${uuid}`);
      if (operation.status === "IN-PROGRESS")
        wrong.push(`operation ${uuid} has not ended: ${JSON.stringify(operation)}`);
    }
    for (const { name, conditions = [] } of listed?.nodes ?? [])
      for (const { type, reason, message } of conditions) {
        // An agent tells of its clock in two hellos after it was set; where both are lost, again after five minutes.
        if (type !== "ClockInSync") wrong.push(`of node ${name} it is said: ${reason}: ${message}`);
      }
    const { alarms } = await ask<{ alarms: Alarm[] }>(at, "/alarms?state=firing&limit=1000");
    // Of cards that were taken out there are some; of nodes and drivers, which are all well, there is none.
    for (const { kind, message } of alarms)
      if (!kind.startsWith("hardware.")) wrong.push(`the alarm ${kind} fires: ${message}`);
    if (!listed?.still) wrong.push("the lists change while they are read");
    // Not the lists' own revision: an alarm that is only pending raises it, and is no change.
    for (const { follower } of following) {
      const behind = `/changes?since=${follower.since}&limit=1`;
      const { changes } = await ask<{ changes: Change[] }>(fleet.conductors[0]?.asked as Asked, behind); // there is one at least
      if (changes.length > 0) wrong.push(`a follower is at revision ${follower.since}`);
    }
  } catch (error) {
    if (!(error instanceof NoAnswer)) throw error;
    wrong.push(error.message);
  }
  return { wrong, listed };
}

/** After quiet: everything that is to be true, each by its name. */
export async function judgeAll(fleet: Fleet, following: Following[], listed: Listed): Promise<Check[]> {
  const at = fleet.conductors[0]?.asked as Asked; // there is one at least
  const { lists, hardware, nodes } = listed;
  const copy = {
    hardware: new Map(hardware.map((device) => [keyOf(device.node.id, device.source, device.uuid), device])),
    states: new Map(nodes.map(({ id, state }) => [id, state])),
  };
  const asked = performance.now();
  const log = await pages<Change>(at, "/changes?since=0", "changes");
  for (const { follower } of following) {
    follower.judgeList(copy, lists.revision);
    follower.judgeLog(log.items);
  }
  fleet.acknowledged.log(log.items);
  const there = new Set(nodes.map(({ id }) => `node ${id}`));
  fleet.acknowledged.listed("node ", there, { asked, revision: lists.revision });

  return [
    { name: "nothing is there twice", violations: judgeIdentity(lists, fleet.known()) },
    { name: "followers hold the list", violations: following.flatMap(({ follower }) => follower.violations) },
    { name: "nothing acknowledged is lost", violations: fleet.acknowledged.violations },
    ...judgeAnytime(fleet),
  ];
}

/** What is true also while a fleet is not quiet. */
export const judgeAnytime = (fleet: Fleet): Check[] => [
  { name: "LOST in time, and nobody else", violations: fleet.liveness.violations },
  { name: "nothing ended by itself", violations: fleet.programs().flatMap(({ crashes }) => crashes) },
  { name: "no wrong answer", violations: wrongAnswers },
];
