import type { Hardware, Source } from "../../src/contract/hardware.ts";
import type { Node, NodeState } from "../../src/contract/node.ts";

/** A device as it is there. `name` tells one version of it from another: every report carries it. */
export interface TrueDevice {
  /** As its agent reports it. */
  uuid: string;
  source: string;
  name: string;
}

export interface TrueNode {
  id: string;
  name: string;
  /** What it has to be shown as once all is quiet. */
  state: NodeState;
  /** Whether each of its drivers answers well. */
  sources: { name: string; ok: boolean }[];
  devices: TrueDevice[];
}

export interface Truth {
  nodes: TrueNode[];
  /** `keyOf` each device that was ever there. */
  known: ReadonlySet<string>;
}

/** What a conductor says: all pages of its lists. */
export interface Lists {
  revision: number;
  nodes: Pick<Node, "id" | "name" | "state">[];
  hardware: Pick<Hardware, "uuid" | "source" | "name" | "node" | "freshness">[];
  /** Those that are not OK. */
  sources: (Pick<Source, "name" | "status"> & { node: { id: string } })[];
}

export const keyOf = (node: string, source: string, uuid: string) => `${node} ${source} ${uuid}`;

/** The name that a conductor's lists give the agent itself, as a source. */
const AGENT = "agent";

/** What is listed twice, or was never there; true at any time. `shared`: uuids that two sources do report. */
export function judgeIdentity(lists: Lists, known: ReadonlySet<string>, shared = new Set<string>()): string[] {
  const { revision } = lists;
  const found: string[] = [];
  const rows = new Set<string>();
  const present = new Map<string, string>();
  for (const { uuid, source, node, freshness } of lists.hardware) {
    const key = keyOf(node.id, source, uuid);
    if (rows.has(key)) found.push(`revision ${revision}: device ${uuid} of ${source} on ${node.name} is listed twice`);
    rows.add(key);
    if (!known.has(key))
      found.push(`revision ${revision}: device ${uuid} of ${source} on ${node.name} is listed, and never was there`);
    if (freshness === "GONE" || shared.has(uuid)) continue;
    const other = present.get(uuid);
    const where = `${source} on ${node.name}`;
    if (other) found.push(`revision ${revision}: uuid ${uuid} is that of two devices, ${other} and ${where}`);
    present.set(uuid, where);
  }
  const ids = lists.nodes.map(({ id }) => id);
  for (const id of new Set(ids))
    if (ids.filter((one) => one === id).length > 1) found.push(`revision ${revision}: node ${id} is listed twice`);
  return found;
}

/** How the lists differ from the truth, once everybody has had the time to tell it. */
export function judgeQuiet(truth: Truth, lists: Lists): string[] {
  const { revision } = lists;
  const found: string[] = [];
  const say = (what: string) => found.push(`after quiet, revision ${revision}: ${what}`);
  const listed = new Map(lists.nodes.map((node) => [node.id, node]));
  for (const node of truth.nodes) {
    const shown = listed.get(node.id);
    if (!shown) say(`node ${node.name} is missing; it is ${node.state}`);
    else if (shown.state !== node.state) say(`node ${node.name} is shown as ${shown.state}, and is ${node.state}`);
    if (shown) for (const difference of differences(node, lists)) say(difference);
  }
  const true_ = new Set(truth.nodes.map(({ id }) => id));
  for (const { id, name, state } of lists.nodes)
    if (!true_.has(id)) say(`node ${name} (${id}) is shown as ${state}, and there is none`);
  return found;
}

function* differences(node: TrueNode, lists: Lists): Generator<string> {
  const current = node.state === "LIVE" || node.state === "LATE";
  const rows = lists.hardware.filter((row) => row.node.id === node.id);
  const failed = new Set(lists.sources.filter((source) => source.node.id === node.id).map(({ name }) => name));
  if (failed.has(AGENT) && current && !node.sources.some(({ name }) => name === AGENT))
    yield `the agent of ${node.name} is shown as failed, and answers`;
  for (const { name, ok } of node.sources) {
    const good = ok && current;
    if (good === failed.has(name))
      yield `source ${name} of ${node.name} is ${failed.has(name) ? "not " : ""}shown as OK, and is ${good ? "" : "not "}`;
    const own = rows.filter(({ source }) => source === name);
    if (!good) {
      for (const { uuid, freshness } of own)
        if (freshness === "FRESH")
          yield `device ${uuid} of ${name} on ${node.name} (${node.state}) is FRESH, and nobody answers for it`;
      continue;
    }
    const there = new Map(node.devices.filter(({ source }) => source === name).map((one) => [one.uuid, one]));
    for (const row of own) {
      const device = there.get(row.uuid);
      const what = `device ${row.uuid} of ${name} on ${node.name}`;
      if (!device && row.freshness !== "GONE") yield `${what} is ${row.freshness}, and is not there`;
      if (device && row.freshness !== "FRESH") yield `${what} is ${row.freshness}, and is there`;
      if (device && row.name !== device.name) yield `${what} is shown as "${row.name}", and is "${device.name}"`;
    }
    for (const { uuid } of there.values())
      if (!own.some((row) => row.uuid === uuid)) yield `device ${uuid} of ${name} on ${node.name} is missing`;
  }
}
