import type { Freshness, Hardware, Source } from "../../../contract/hardware.ts";
import type { NodeState } from "../../../contract/node.ts";
import type { Report } from "../../../contract/peer.ts";
import type { Database, Writer } from "../../../db/database.ts";
import { appendChanges, markSources, reserveRevisions } from "../../../db/queries/changes.ts";
import { hardwareOfNode, hardwareRow, hardwareText, saveHardware } from "../../../db/queries/hardware.ts";
import { compareAndSetGeneration, getNode, type NodeFacts, saveNode, setReported } from "../../../db/queries/nodes.ts";
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

/** Stores a node and its new state in one transaction; `devices: "stale"` when it no longer answers for them. */
export function writeState(
  db: Database,
  row: Omit<NodeFacts, "revision" | "reported">,
  options: { now: string; devices: "stale" | "keep" },
): Promise<void> {
  const node = { id: row.id, name: row.name };
  return db.write(async (tx) => {
    // These belong to writeReport, the key to admission: a hello that began before must not set them back.
    const stored = await getNode(tx, row.id);
    const { generation = null, reported = null, key = null } = stored ?? {};
    const kept = { generation, reported, key };
    // Before its revision is known: devices refer to the node's row.
    await saveNode(tx, { ...row, ...kept, revision: 0 });
    const stale = options.devices === "stale";
    const changes = stale ? await staleDevices(tx, row.id) : [];
    const state = {
      state: row.state as NodeState,
      sources: stale ? await staleSources(tx, row) : [],
      listed: stored !== null && stored.name !== row.name,
    };
    const revision = await record(tx, node, options.now, changes, state);
    if (revision !== null) await saveNode(tx, { ...row, ...kept, revision });
  });
}

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

/** Records that a node's agent did not give a good answer: its last-good devices are shown as old. */
export function writeFailure(
  db: Database,
  source: Source,
  context: { node: Hardware["node"]; state: NodeState; now: string },
): Promise<void> {
  return db.write(async (tx) => {
    const before = await readSources(tx, context.node.id);
    const others = before.filter(({ name }) => name !== source.name);
    const changes = await staleDevices(tx, context.node.id);
    await recordSources(tx, { ...context, changes, before, sources: [...others, source] });
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
