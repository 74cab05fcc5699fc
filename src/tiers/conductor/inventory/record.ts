import type { Cordon, GivenChange } from "../../../contract/fleet/given.ts";
import type { Hardware, Source } from "../../../contract/hardware.ts";
import type { NodeState } from "../../../contract/node.ts";
import type { Writer } from "../../../db/database.ts";
import {
  appendChanges,
  type ChangeRow,
  givenBody,
  markSources,
  reserveRevisions,
} from "../../../db/queries/changes.ts";
import { hardwareRow, hardwareText, type NewHardwareRow, saveHardware } from "../../../db/queries/hardware.ts";
import type { DeviceChange } from "./reconcile.ts";

/** What is said of a node rather than of a device. */
export interface NodeChange {
  state: NodeState;
  /** Those that changed. */
  sources: Source[];
  /** How they are listed differs: there are fewer, or their node has another name. */
  listed?: boolean;
  /** Where an operator did something about it: what, and whether it is out of service now. */
  given?: { cordoned: Cordon | null; change: GivenChange };
}

/** What has become of one node. */
export interface Recorded {
  node: Hardware["node"];
  now: string;
  changes: DeviceChange[];
  state: NodeChange | null;
}

/** Lets others run where what is written has taken a while: thousands of rows must not keep this process from answering. */
export type Breathe = () => Promise<void>;

/** More are written with pauses, in which others are answered. */
const DEVICES_AT_ONCE = 500;

/** Takes breath only where that many are written. */
export const breathing = (changes: DeviceChange[], rest: Breathe): Breathe =>
  changes.length > DEVICES_AT_ONCE ? rest : async () => {};

/** Rows between two breaths. */
const ROWS_AT_ONCE = 128;

/**
 * Writes devices and one `changes` row each, plus one for each node where `state` is given; the last revision, or null where
 * nothing changed. The revisions are reserved as the last step before the writes that need them: on PostgreSQL that takes
 * the lock which orders commits.
 */
export async function record(tx: Writer, all: Recorded[], breathe: Breathe = async () => {}): Promise<number | null> {
  const count = all.reduce((sum, { changes, state }) => sum + changes.length + (state ? 1 : 0), 0);
  if (count === 0) return null;
  const first = await reserveRevisions(tx, count);
  let revision = first;
  const devices: NewHardwareRow[] = [];
  const log: ChangeRow[] = [];
  for (const { node, now, changes, state } of all) {
    await breathe();
    const common = { time: now, node_id: node.id, node_name: node.name };
    for (const { kind, device, body } of changes) {
      devices.push(hardwareRow(device, revision, body));
      const text = hardwareText({ freshness: device.freshness, body });
      log.push({ ...common, revision, kind, source: device.source, uuid: device.uuid, state: null, body: text });
      revision += 1;
    }
    if (state) {
      log.push({ ...common, revision, ...stateRow(state) });
      revision += 1;
    }
  }
  for (let start = 0; start < devices.length; start += ROWS_AT_ONCE) {
    await breathe();
    await saveHardware(tx, devices.slice(start, start + ROWS_AT_ONCE));
  }
  for (let start = 0; start < log.length; start += ROWS_AT_ONCE) {
    await breathe();
    await appendChanges(tx, log.slice(start, start + ROWS_AT_ONCE));
  }
  if (all.some(({ state }) => state && (state.listed || state.sources.length > 0))) await markSources(tx, first);
  return revision - 1;
}

function stateRow({ state, sources, given }: NodeChange) {
  if (given)
    return { kind: "state", uuid: null, state, source: null, body: givenBody(given.cordoned, given.change, null) };
  const source = sources.length === 1 ? (sources[0]?.name ?? null) : null;
  return { kind: "state", uuid: null, state, source, body: sources.length > 0 ? JSON.stringify(sources) : null };
}
