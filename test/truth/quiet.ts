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
  const rows = lists.hardware.filter((row) => row.node.id === node.id);
  const failed = new Set(lists.sources.filter((source) => source.node.id === node.id).map(({ name }) => name));
  const unanswered = (of: typeof rows) => of.filter(({ freshness }) => freshness === "FRESH");
  const stale = ({ uuid, source }: (typeof rows)[number]) =>
    `device ${uuid} of ${source} on ${node.name} (${node.state}) is FRESH, and nobody answers for it`;
  if (node.state !== "LIVE" && node.state !== "LATE") {
    yield* unanswered(rows).map(stale);
    return;
  }
  if (failed.has(AGENT) && !node.sources.some(({ name }) => name === AGENT))
    yield `the agent of ${node.name} is shown as failed, and answers`;
  for (const { name, ok } of node.sources) {
    if (ok === failed.has(name))
      yield `source ${name} of ${node.name} is ${ok ? "not " : ""}shown as OK, and is ${ok ? "" : "not "}well`;
    const own = rows.filter(({ source }) => source === name);
    if (!ok) yield* unanswered(own).map(stale);
    else yield* differentDevices(node, name, own);
  }
}

function* differentDevices(node: TrueNode, source: string, rows: Lists["hardware"]): Generator<string> {
  const there = new Map(node.devices.filter((device) => device.source === source).map((one) => [one.uuid, one]));
  for (const { uuid, freshness, name } of rows) {
    const device = there.get(uuid);
    const what = `device ${uuid} of ${source} on ${node.name}`;
    if (!device && freshness !== "GONE") yield `${what} is ${freshness}, and is not there`;
    if (device && freshness !== "FRESH") yield `${what} is ${freshness}, and is there`;
    if (device && name !== device.name) yield `${what} is shown as "${name}", and is "${device.name}"`;
  }
  const listed = new Set(rows.map(({ uuid }) => uuid));
  for (const { uuid } of there.values())
    if (!listed.has(uuid)) yield `device ${uuid} of ${source} on ${node.name} is missing`;
}
