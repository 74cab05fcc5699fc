import type { Freshness, Hardware, Source } from "../../../contract/hardware.ts";
import type { NodeState } from "../../../contract/node.ts";
import type { Report } from "../../../contract/peer.ts";
import type { Database, Writer } from "../../../db/database.ts";
import { appendChanges, markSources, reserveRevisions } from "../../../db/queries/changes.ts";
import { hardwareOfNode, hardwareRow, hardwareText, saveHardware } from "../../../db/queries/hardware.ts";
import {
  addNode,
  compareAndSetGeneration,
  getNode,
  type NodeFacts,
  saveNode,
  setReported,
} from "../../../db/queries/nodes.ts";
import { holdNode, takeNode } from "../../../db/queries/owners.ts";
import { replaceSources, sourceRow, sourcesOfNode, toSource } from "../../../db/queries/sources.ts";
import type { HardwareRow, NodeRow } from "../../../db/schema/tables.ts";
import { isCurrent } from "../fleet.ts";
import { changedSources, type DeviceChange, reconcile } from "./reconcile.ts";

/** What is said of a node rather than of a device. */
interface NodeChange {
  state: NodeState;
  /** Those that changed. */
  sources: Source[];
  /** How they are listed differs: there are fewer, or their node has another name. */
  listed?: boolean;
}

/**
 * Writes devices and one `changes` row each, plus one for the node where `state` is given. The revisions are reserved
 * as the last step before the writes that need them: on PostgreSQL that takes the lock which orders commits.
 */
async function record(
  tx: Writer,
  node: Hardware["node"],
  now: string,
  changes: DeviceChange[],
  state: NodeChange | null,
): Promise<number | null> {
  const count = changes.length + (state ? 1 : 0);
  if (count === 0) return null;
  const first = await reserveRevisions(tx, count);
  await saveHardware(
    tx,
    changes.map(({ device, body }, index) => hardwareRow(device, first + index, body)),
  );
  const common = { time: now, node_id: node.id, node_name: node.name };
  await appendChanges(tx, [
    ...changes.map(({ kind, device, body }, index) => ({
      ...common,
      revision: first + index,
      kind,
      source: device.source,
      uuid: device.uuid,
      state: null,
      body: hardwareText({ freshness: device.freshness, body }),
    })),
    ...(state ? [{ ...common, revision: first + changes.length, ...stateRow(state) }] : []),
  ]);
  if (state && (state.listed || state.sources.length > 0)) await markSources(tx, first);
  return first + count - 1;
}

function stateRow({ state, sources }: NodeChange) {
  const source = sources.length === 1 ? (sources[0]?.name ?? null) : null;
  return { kind: "state", uuid: null, state, source, body: sources.length > 0 ? JSON.stringify(sources) : null };
}

const stored = (row: HardwareRow) => ({ ...row, freshness: row.freshness as Freshness }); // written from a Freshness only

/** Shows a node's last-good devices as old; the changes to record. */
async function staleDevices(tx: Writer, nodeId: string): Promise<DeviceChange[]> {
  const rows = await hardwareOfNode(tx, nodeId);
  return rows
    .filter(({ freshness }) => freshness === "FRESH")
    .map(({ body }) => ({ kind: "changed", device: { ...JSON.parse(body), freshness: "STALE" }, body }));
}

const readSources = async (tx: Writer, nodeId: string) => (await sourcesOfNode(tx, nodeId)).map(toSource);

const writeSources = (tx: Writer, nodeId: string, sources: Source[]) =>
  replaceSources(
    tx,
    nodeId,
    sources.map((source) => sourceRow(nodeId, source)),
  );

/** Of a node that no longer answers no source is OK; the changed ones. */
async function staleSources(tx: Writer, row: Pick<NodeRow, "id" | "name" | "state">): Promise<Source[]> {
  const before = await readSources(tx, row.id);
  const error = { code: "unreachable", message: `node ${row.name} is ${row.state}` } as const;
  const after = before.map(
    (source): Source => (source.status === "OK" ? { ...source, status: "STALE", error } : source),
  );
  await writeSources(tx, row.id, after);
  return changedSources(before, after);
}

/**
 * Stores a node and its new state in one transaction; `devices: "stale"` when it no longer answers for them. `owner` has it
 * from then on; `held`: only if it has it already, as silence is its owner's to judge. False: it has not, and nothing was
 * written. What is the same already changes nothing, so that it can be said again when it is not known whether it was heard.
 */
export function writeState(
  db: Database,
  row: Omit<NodeFacts, "revision" | "reported">,
  options: { now: string; devices: "stale" | "keep"; owner: string; held?: boolean },
): Promise<boolean> {
  const node = { id: row.id, name: row.name };
  const { owner, held = false } = options;
  return db.write(async (tx) => {
    let first = false;
    let stored = held ? await holdNode(tx, row.id, owner) : await takeNode(tx, row.id, owner);
    if (!stored) {
      if (held) return false;
      // Two conductors may both hear it for the first time: one row, and who comes second sees what the first one wrote.
      await addNode(tx, { ...row, reported: null, owner: null, revision: 0 });
      stored = await takeNode(tx, row.id, owner);
      if (!stored) throw new Error(`node ${row.id} has just been written`);
      first = stored.revision === 0;
    }
    // These belong to writeReport, the key to admission: a hello that began before must not set them back.
    const { generation, reported, key, first_seen } = stored;
    const kept = { generation, reported, key, first_seen };
    const stale = options.devices === "stale";
    const changes = stale ? await staleDevices(tx, row.id) : [];
    const sources = stale ? await staleSources(tx, row) : [];
    if (!first && changes.length + sources.length === 0 && saysNothing(stored, row)) return true;
    const state = { state: row.state as NodeState, sources, listed: !first && stored.name !== row.name };
    const revision = await record(tx, node, options.now, changes, state);
    if (revision !== null) await saveNode(tx, { ...row, ...kept, revision });
    return true;
  });
}

/** Whether a row says of its node what is stored already; when it was heard last does not count. */
const saysNothing = (stored: NodeRow, row: Omit<NodeFacts, "revision" | "reported">) =>
  (["name", "state", "labels", "endpoint", "api", "boot_id", "conditions"] as const).every(
    (column) => stored[column] === row[column],
  );

/**
 * Takes a report in: one transaction, one `changes` row per changed device. Null when another conductor was first; not
 * taken when the node was written down as left or lost while the answer was under way.
 */
export function writeReport(
  db: Database,
  report: Report & { generation: string },
  context: { node: Hardware["node"]; from: string | null; endpoint: string; now: string },
): Promise<{ taken: boolean } | null> {
  const { node, now } = context;
  return db.write(async (tx) => {
    if (!(await compareAndSetGeneration(tx, node.id, context.from, report.generation))) return null;
    // Only now: the row is locked by the line above, and who wrote its state before has committed.
    const row = await getNode(tx, node.id);
    const state = row?.state as NodeState; // written from a NodeState only
    if (!isCurrent(state)) return { taken: false };
    const reported = report.conditions.length > 0 ? JSON.stringify(report.conditions) : null;
    const said = reported !== (row?.reported ?? null);
    if (said) await setReported(tx, node.id, reported);
    const rows = (await hardwareOfNode(tx, node.id)).map(stored);
    const before = await readSources(tx, node.id);
    const { changes, sources } = reconcile(rows, report, { node, now, endpoint: context.endpoint, sources: before });
    await recordSources(tx, { node, state, now, changes, before, sources, said });
    return { taken: true };
  });
}

/**
 * Records that a node's agent did not give a good answer: its last-good devices are shown as old. False: it is not `owner`'s
 * any more, so that this is not for it to say.
 */
export function writeFailure(
  db: Database,
  source: Source,
  context: { node: Hardware["node"]; state: NodeState; now: string; owner: string },
): Promise<boolean> {
  return db.write(async (tx) => {
    if (!(await holdNode(tx, context.node.id, context.owner))) return false;
    const before = await readSources(tx, context.node.id);
    const others = before.filter(({ name }) => name !== source.name);
    const changes = await staleDevices(tx, context.node.id);
    await recordSources(tx, { ...context, changes, before, sources: [...others, source] });
    return true;
  });
}

async function recordSources(
  tx: Writer,
  context: {
    node: Hardware["node"];
    state: NodeState;
    now: string;
    changes: DeviceChange[];
    before: Source[];
    sources: Source[];
    /** The node says something else of itself than before. */
    said?: boolean;
  },
): Promise<void> {
  const { node, state, now, changes, before, sources, said = false } = context;
  await writeSources(tx, node.id, sources);
  const changed = changedSources(before, sources);
  const fewer = before.some(({ name }) => !sources.some((source) => source.name === name));
  await record(
    tx,
    node,
    now,
    changes,
    changed.length > 0 || fewer || said ? { state, sources: changed, listed: fewer } : null,
  );
}
